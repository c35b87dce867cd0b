"""The operator's calls, on record: who did what to which tenant or key, and what became of it."""
