"""HTML: limits, structure, and which parts of a page are content."""
