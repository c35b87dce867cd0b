"""Jobs in the log: reading, waiting, cancelling, deleting."""
