"""The commands of `weft`, one file a subject."""
