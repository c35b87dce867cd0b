"""The commands of `weft`, one file per subject."""
