"""Requests as they arrive: read, counted and held within bounds before any of them is decoded."""
