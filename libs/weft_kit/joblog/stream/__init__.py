"""The stream that holds the log: made, watched, written and read.

stream   made, widened, never shrunk                  stream_client  fenced writes, leader and direct reads
monitor  is it there, does it store, and made again   clock          does it agree with us about the time
"""
