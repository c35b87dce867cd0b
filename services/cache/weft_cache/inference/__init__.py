"""Client of the inference service: vectors of questions, and whether two ask the same."""
