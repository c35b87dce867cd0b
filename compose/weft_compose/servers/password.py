"""A server's password: random, in a file that only its owner may read, and the same at every start."""

import secrets
from pathlib import Path

from weft_kit.atomic_file import replace_text


def password_in(file: Path) -> str:
    """Returns the password in the file; makes one if there is none."""
    if not file.exists() or not file.read_text(encoding="utf-8"):
        file.parent.mkdir(parents=True, exist_ok=True)
        # Of characters that need no escape, neither in a URL nor in any server's configuration.
        replace_text(file, secrets.token_hex(32), mode=0o600)
    return file.read_text(encoding="utf-8")
