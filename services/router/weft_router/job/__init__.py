"""One job as its events tell it, and the events that end it."""
