"""Which mesh something belongs to: two may stand on one NATS, and each keeps to its own."""

from typing import Annotated, Final

from pydantic import StringConstraints

from weft_kit.rpc.errors import CannotStart

DEFAULT_MESH_ID: Final = "weft"
"""The mesh whose names have no id in them, as those of all meshes before there were ids."""

MeshId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]


class OtherMesh(CannotStart):
    """A store belongs to another mesh: what it holds must not be read, and nothing added to it."""

    def __init__(self, store: str, theirs: str, ours: str) -> None:
        whose = f"{store} belongs to the mesh {theirs}, and this service is of the mesh {ours}"
        if theirs == ours:
            whose = (
                f"{store} belongs to another mesh that is called {ours}, too: it has another database (where this"
                " database replaces a lost one, take weft-database out of the stream's metadata)"
            )
        super().__init__(f"{whose}. Give each mesh a WEFT_MESH_ID of its own, and stores that no other mesh uses")
