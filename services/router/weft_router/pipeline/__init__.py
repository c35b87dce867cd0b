"""What a job passes before it is answered: is there anybody to ask, its context, and whose call answers it."""
