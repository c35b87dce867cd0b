"""Providers reached by HTTP: connections, streams of events, whole bodies."""
