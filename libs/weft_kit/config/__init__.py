"""Settings: read once from the environment, with secrets from files; mistyped names are reported."""
