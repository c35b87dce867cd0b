"""Settings: read once from the environment, with secrets from files and mistyped names told."""
