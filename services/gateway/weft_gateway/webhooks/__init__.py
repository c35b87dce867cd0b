"""Webhooks: signed, tried until they arrive or are given up, and shown to whom they belong."""
