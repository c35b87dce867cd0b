"""Whom to ask, how long to wait, whether to ask again: rules, with time and chance as arguments."""
