"""From a job to its answer: the prompt, attempts in sequence or in a race, and the last resort when all fail."""
