"""gRPC at both ends: the interceptor every call passes, channels, errors on the wire, a server's life."""
