"""Webhooks: signed, retried until they arrive or are given up, and listed for their tenant."""
