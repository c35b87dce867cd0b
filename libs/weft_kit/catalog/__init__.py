"""The catalog of providers and model aliases: read, checked, watched while it changes."""
