"""Who calls: API keys, their rates, and the gate that every call passes."""
