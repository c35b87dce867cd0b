"""The inference service: engines, embedder, verifier."""
