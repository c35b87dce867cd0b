"""The semantic tier: which stored answer may serve another question, and how certain that is."""
