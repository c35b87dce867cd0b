"""The worker: leases in, one run a job, and what stops it."""
