"""Searches: filters, the two retrievers, feedback, and their answers as one list."""
