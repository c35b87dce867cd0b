"""Client of the inference service: vectors in batches that documents share, and reranking."""
