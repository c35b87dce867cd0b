"""The cache service: serves stored answers, and only where they are right."""
