"""The endpoint and the keys: from options, else the environment, else the state folder of a local mesh."""

from dataclasses import dataclass
from pathlib import Path

from weft_client.endpoint import replicas
from weft_compose.mesh_file import read_mesh_file, unusable

DEFAULT_ENDPOINT = "127.0.0.1:7600"


@dataclass(frozen=True)
class Access:
    """An endpoint of one or more gateways, with the caller's keys there. Empty means not given."""

    endpoint: str = ""
    api_key: str = ""
    operator_token: str = ""

    def completed_by(self, other: "Access") -> "Access":
        """Returns a copy in which empty fields are taken from `other`.

        Keys belong to their mesh, so they are not taken if the endpoint given here is another mesh's.
        """
        if self.endpoint and not replicas(self.endpoint) <= replicas(other.endpoint):
            return self
        return Access(
            endpoint=self.endpoint or other.endpoint or DEFAULT_ENDPOINT,
            api_key=self.api_key or other.api_key,
            operator_token=self.operator_token or other.operator_token,
        )


def local_mesh(state: Path) -> Access:
    """Returns what `weft up` wrote into the state folder; empty if there is nothing.

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
