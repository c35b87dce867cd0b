"""The `weft` command line: what people type, and what they are shown. It calls a mesh like any Python program."""
