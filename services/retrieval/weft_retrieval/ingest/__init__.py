"""Ingestion of one document: checked, parsed, split, embedded, stored."""
