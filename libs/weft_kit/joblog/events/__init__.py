"""Events of jobs: what they are called, how they are stored, how large they may be, and what they add up to.

ids         job ids, lanes and subjects       codec     events to bytes and back, with their sequence
projection  events → the job's record         terminal  ends of jobs that did not succeed
sizes       what one event holds
"""
