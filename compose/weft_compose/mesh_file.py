"""The file in which a local mesh says where it answers and with which keys: `mesh.json` in the state folder.

It imports the standard library only: the command line reads the file also where the launcher's wheels are missing.
"""

import json
from pathlib import Path
from typing import Any


class MeshFileUnusable(Exception):
    """What `weft up` wrote of a local mesh cannot be used; the text is one line that says what to do."""


def read_mesh_file(state: Path) -> dict[str, Any] | None:
    """Returns what stands in the state folder's mesh.json; None where there is no such file.

    Raises:
        MeshFileUnusable: it cannot be read, or is not what a launcher wrote.
    """
    file = state / "mesh.json"
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        step = "run this as its owner, or name a mesh with --endpoint and --key"
        raise MeshFileUnusable(f"{file} cannot be read ({error.strerror}): {step}") from None
    except ValueError:
        raise unusable(file, "it is cut short or damaged") from None
    if not isinstance(written, dict):
        raise unusable(file, "it is not what `weft up` writes")
    return written


def unusable(file: Path, why: str) -> MeshFileUnusable:
    """Returns the error of a mesh.json with mistakes, with what to do about it."""
    return MeshFileUnusable(
        f"{file} cannot be used: {why}; put a copy back, or stop what still runs from there, remove the file, and "
        "`weft up` makes new keys (an API key, the operator's token, the secrets of webhooks)"
    )
