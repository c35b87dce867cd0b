"""Files that are always complete: a reader finds the old text or the new one, even after a crash."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp


def replace_text(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replaces the contents of a file in one step, which a power failure cannot leave half done.

    Raises:
        OSError: the file cannot be written; what was there is unharmed.
    """
    # A unique name, so that two writers do not share a draft; until it is complete, only its owner may read it.
    handle, draft = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(handle, mode)
            os.fsync(handle)
        Path(draft).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(draft).unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Makes the new name durable; not every file system supports that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
