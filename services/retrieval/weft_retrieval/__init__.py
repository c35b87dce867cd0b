"""The retrieval service: stores documents, and finds the passages that answer a question."""
