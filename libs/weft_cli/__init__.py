"""The `weft` command line: its commands, and how it shows results. It calls a mesh like any Python program."""
