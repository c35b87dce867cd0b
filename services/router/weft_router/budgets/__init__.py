"""What tenants and keys may spend: held before a provider is asked, settled by what the call really took."""
