"""Audits: a share of hits is also answered by a provider, and differences raise the threshold."""
