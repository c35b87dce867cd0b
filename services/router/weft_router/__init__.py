"""The workers that run jobs: they lease jobs, read providers' streams, and commit tokens."""
