"""What the services share for PostgreSQL and Redis."""
