"""Documents into chunks, by their outline and by tokens, never by half a sentence where that can be."""
