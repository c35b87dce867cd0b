"""Files that are whole at any moment: whoever reads one, or finds it after a crash, finds the old text or the new."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp


def replace_text(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replaces what the file holds, in one step that a loss of power does not undo by halves.

    Raises:
        OSError: it cannot be written; what was there is unharmed.
    """
    # A name of its own, so that two writers do not write into one draft; nobody but its owner may read it meanwhile.
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
    """Makes the new name itself last; not every file system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
