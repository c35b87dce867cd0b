"""The open providers: what has been observed of each, how many calls it takes, and whether to call it now."""
