"""Ranking: BM25, and the fusion of two lists."""
