"""What is kept of jobs when the log has forgotten them, and how it is found again."""
