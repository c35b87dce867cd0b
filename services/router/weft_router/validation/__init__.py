"""What an answer must satisfy: complete, within its limits, in the requested format."""
