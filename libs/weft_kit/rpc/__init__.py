"""gRPC on both sides: the interceptor that every call passes, channels, encoded errors, and a server's life cycle."""
