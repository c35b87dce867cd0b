"""Checks that an answer is complete, ends at its stop texts, and has the requested format."""
