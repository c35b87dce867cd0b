"""Deletion of whole tenants by operators."""
