"""Splits documents into chunks, by their outline and by tokens, inside a sentence only where nothing else fits."""
