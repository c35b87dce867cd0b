"""Identical requests under way at one time share one call, across all routers."""
