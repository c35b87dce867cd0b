"""The inference service, as the cache asks it: vectors of questions, and whether two ask the same."""
