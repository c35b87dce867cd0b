"""Takes jobs from the log and runs them: whose turn it is, who holds a job, and who hands on a lost worker's.

fair_queue  whose turn it is                  dispatcher  the next job of each lane, by turns
leases      held while a worker heartbeats    worker      leases at work, side by side
peers       workers hand on what a lost one held
"""
