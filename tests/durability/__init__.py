"""What Weft promises of a job, on a mesh whose parts are killed: docs/durability.md, by its numbers."""
