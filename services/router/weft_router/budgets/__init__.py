"""What tenants and keys may spend: reserved before a provider is called, settled with what the call really cost."""
