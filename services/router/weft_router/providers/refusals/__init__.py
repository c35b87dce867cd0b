"""What providers' refusals mean: one table, and the readers of their bodies and headers."""
