"""The cache: when an answer may serve again, and what it costs to find out."""
