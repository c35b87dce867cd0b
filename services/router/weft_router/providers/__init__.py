"""The providers that a router may call: one package for each family of wire formats, one Protocol for all."""
