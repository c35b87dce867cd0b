"""HTML: limits, structure, and what of a page is content."""
