"""From a request to a job in the log: validation, quota, budget, and the answer from the cache if there is one."""
