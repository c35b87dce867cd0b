"""A whole mesh, asked as its users ask it."""
