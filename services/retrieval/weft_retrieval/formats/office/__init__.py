"""Office Open XML: documents, slides, sheets."""
