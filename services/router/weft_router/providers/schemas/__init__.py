"""JSON Schemas on their way to a provider, as each takes them."""
