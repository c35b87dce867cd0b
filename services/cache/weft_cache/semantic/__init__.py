"""The semantic tier: which stored question may answer another one, and how sure that is."""
