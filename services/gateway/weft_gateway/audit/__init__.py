"""The audit log of the operator's calls: who did what to which tenant or key, and with what outcome."""
