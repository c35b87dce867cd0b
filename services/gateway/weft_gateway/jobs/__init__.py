"""What becomes of a request: checked, accepted once, followed, cancelled."""
