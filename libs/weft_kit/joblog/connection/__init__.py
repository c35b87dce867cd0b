"""The connection to NATS: it comes back, takes little CPU a message, and pulls what a consumer holds.

connection  to NATS, for ever                 frugal_client  nats-py's client, cheaper
pull        standing requests to a consumer   puller         its messages, at most so many unreleased
"""
