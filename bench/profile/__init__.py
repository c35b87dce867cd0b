"""Where gateway and router spend the CPU time of a job: `python -m bench.profile`."""
