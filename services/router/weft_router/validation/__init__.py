"""What an answer must be like: whole, within its limits, in the form that was asked for."""
