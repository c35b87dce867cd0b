"""Ingest as durable jobs: documents wait in PostgreSQL, and the job that stores them is in a separate log.

jobs              begin, read, list, watch, cancel    worker    takes jobs from the log
requests          what is asked for, checked          run       one attempt at one job
projection        events → the job's record           storing   its documents, several at once
postgres_uploads  documents staged for a job          progress  the counts of outcomes
postgres_staging  documents of a job, and outcomes    retry     what a failure means, and retries
log_connection    the log, as soon as NATS answers    outcomes  how an attempt may end
"""
