"""The providers that are open: what has been seen of each, how many calls it takes, and whether to ask it now."""
