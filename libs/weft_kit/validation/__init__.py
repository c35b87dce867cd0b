"""Checks that values can be stored: fields, texts, numbers, times, JSON and JSON Schemas."""
