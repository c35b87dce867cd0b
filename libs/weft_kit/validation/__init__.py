"""What values must be like to be kept: one rule each for fields, texts, times, JSON and JSON Schemas."""
