"""Which provider to call, how long to wait, whether to retry: rules, with time and randomness as arguments."""
