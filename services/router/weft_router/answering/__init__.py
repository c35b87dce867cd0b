"""From a job to its answer: the prompt, attempts one after the other or in a race, what serves when all fail."""
