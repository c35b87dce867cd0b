"""Encoders on ONNX Runtime: embedding, reranking and verifying, in batches."""
