"""Who calls: API keys, their rates, and the authenticator that every call passes."""
