"""Requests as they arrive: read, counted and limited before any of them is decoded."""
