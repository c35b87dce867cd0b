"""gRPC on both sides: the interceptor that every call passes through, channels, errors, and a server's life cycle."""
