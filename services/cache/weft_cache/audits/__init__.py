"""Audits: a provider also answers a share of the hits, and differences raise the threshold."""
