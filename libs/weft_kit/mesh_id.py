"""The id of a mesh: several meshes may share one NATS, and each uses only what has its id."""

from typing import Annotated, Final

from pydantic import StringConstraints

from weft_kit.rpc.errors import CannotStart

DEFAULT_MESH_ID: Final = "weft"
"""The mesh whose names contain no id, like those of every mesh before there were ids."""

MeshId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]


class OtherMesh(CannotStart):
    """A store belongs to another mesh, so it must be neither read nor written."""

    def __init__(self, store: str, theirs: str, ours: str) -> None:
        whose = f"{store} belongs to the mesh {theirs}, and this service is of the mesh {ours}"
        if theirs == ours:
            whose = (
                f"{store} belongs to another mesh that is called {ours}, too: it has another database (where this"
                " database replaces a lost one, take weft-database out of the stream's metadata)"
            )
        super().__init__(f"{whose}. Give each mesh a WEFT_MESH_ID of its own, and stores that no other mesh uses")
