"""What every section stands on: a mesh of its own, a client, the load, a baseline, and what processes use."""
