"""The record of jobs in PostgreSQL, which outlives the log, and the queries on it."""
