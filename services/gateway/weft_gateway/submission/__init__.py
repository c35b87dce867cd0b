"""From a request to a job in the log: validated, within quota and budget, answered from the cache where that is due."""
