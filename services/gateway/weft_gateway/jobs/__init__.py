"""Jobs that are in the log: read, waited for, cancelled, deleted."""
