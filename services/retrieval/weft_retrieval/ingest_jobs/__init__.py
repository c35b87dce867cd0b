"""Ingest as durable jobs: documents wait in PostgreSQL, and the job that stores them lives in a log of its own.

door              begin, read, list, watch, cancel     worker    takes jobs from the log
orders            what is asked for, checked           run       one attempt at one job
record            events → the job's record            storing   its documents, several at once
postgres_uploads  documents gathered for a job         tally     what became of them
postgres_staging  documents of a job, and outcomes     verdict   what a failure means
log_link          the log, as soon as NATS answers     patience  trying again what will pass
ends              how an attempt may end, and what it then says
"""
