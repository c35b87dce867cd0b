"""Providers called over HTTP: connections, event streams, whole bodies."""
