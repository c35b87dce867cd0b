"""Files for a small tree."""

from pathlib import Path


def write(root: Path, name: str, text: str) -> Path:
    """Writes a file below a root and returns its path from there."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return Path(name)
