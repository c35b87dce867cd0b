"""Answers in Redis: sealed, filed by partition and question, counted."""
