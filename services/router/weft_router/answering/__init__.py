"""From a job to its answer: its alias, attempts one after the other or in a race, what serves when all fail."""
