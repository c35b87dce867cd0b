"""What services share of PostgreSQL and Redis."""
