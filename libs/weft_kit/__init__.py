"""What every Weft service shares: the wire and the process, and nothing about any one service."""
