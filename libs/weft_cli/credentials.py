"""Where the mesh is and what opens it: from flags, else the environment, else the state folder of a local mesh."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft_client.endpoint import replicas

DEFAULT_ENDPOINT = "127.0.0.1:7600"


@dataclass(frozen=True)
class Access:
    """An endpoint, of one gateway or of several, with what the caller may show there. Empty means not given."""

    endpoint: str = ""
    api_key: str = ""
    operator_token: str = ""

    def completed_by(self, other: "Access") -> "Access":
        """Fills what is empty here from there.

        Keys belong to their mesh: those of a mesh elsewhere are not sent to the endpoint named here.
        """
        if self.endpoint and not replicas(self.endpoint) <= replicas(other.endpoint):
            return self
        return Access(
            endpoint=self.endpoint or other.endpoint or DEFAULT_ENDPOINT,
            api_key=self.api_key or other.api_key,
            operator_token=self.operator_token or other.operator_token,
        )


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


def local_mesh(state: Path) -> Access:
    """Reads what `weft up` wrote into the state folder; empty when there is nothing.

    Raises:
        MeshFileUnusable: mesh.json has mistakes.
    """
    written = read_mesh_file(state)
    if written is None:
        return Access()
    gateways = written.get("endpoints") or [written.get("endpoint")]
    found = (*gateways, written.get("api_key"), written.get("operator_token"))
    if not all(isinstance(text, str) for text in found):
        raise unusable(state / "mesh.json", "fields are missing or of another kind")
    return Access(",".join(gateways), written["api_key"], written["operator_token"])
