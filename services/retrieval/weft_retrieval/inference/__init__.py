"""The inference service, as retrieval asks it: vectors in batches that documents share, and reranking."""
