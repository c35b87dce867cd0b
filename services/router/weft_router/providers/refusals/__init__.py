"""What providers' refusals mean: one table, with what is read from their bodies and headers."""
