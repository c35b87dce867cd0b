"""The catalog of providers and model aliases: read, checked, and followed while it changes."""
