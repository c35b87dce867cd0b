"""One job as its events describe it, and the events that end it."""
