"""JSON Schemas in the form that each provider accepts."""
