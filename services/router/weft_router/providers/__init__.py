"""The providers a router may ask: one file a wire format, one Protocol for all."""
