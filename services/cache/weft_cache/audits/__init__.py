"""Audits: a share of hits is asked of a provider too, and what differs raises the threshold."""
