"""Whole tenants, as operators delete them."""
