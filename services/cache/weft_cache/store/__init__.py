"""Answers in Redis: encrypted, stored by partition and question, counted."""
