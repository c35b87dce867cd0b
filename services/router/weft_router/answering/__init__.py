"""From a job to its answer: its alias, attempts in sequence or in a race, the last resort when all fail."""
