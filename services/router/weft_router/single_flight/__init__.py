"""Single flight: identical requests that run at the same time share one call, across all routers."""
