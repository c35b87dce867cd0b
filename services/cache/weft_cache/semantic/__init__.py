"""The semantic tier: which stored question may answer another one, and how certain that is."""
