"""The file with the address and the keys of a local mesh: `mesh.json` in the state folder.

This module imports only the standard library: the command line also reads the file without the launcher's wheels.
"""

import json
from pathlib import Path
from typing import Any


class MeshFileUnusable(Exception):
    """The mesh.json that `weft up` wrote cannot be used; the text is one line that says what to do."""


def read_mesh_file(state: Path) -> dict[str, Any] | None:
    """Returns the contents of mesh.json in the state folder; None if there is no such file.

    Raises:
        MeshFileUnusable: it cannot be read, or was not written by a launcher.
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
    """Returns the error for a mesh.json with mistakes, which says what to do."""
    return MeshFileUnusable(
        f"{file} cannot be used: {why}; put a copy back, or stop what still runs from there, remove the file, and "
        "`weft up` makes new keys (an API key, the operator's token, the secrets of webhooks)"
    )
