"""The schema, one numbered step a file."""
