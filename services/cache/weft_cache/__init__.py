"""Answers that were given before, and only where they are right."""
