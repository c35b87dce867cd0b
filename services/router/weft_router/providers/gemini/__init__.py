"""TODO: the sign on the door."""
