"""A text as an embedder sees it."""

from dataclasses import dataclass
from typing import Final

_COMPONENT_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Vector:
    """A unit vector: float32 components, little-endian, and the embedder that made it.

    `unread` is what the vector does not tell of its text: where that differs vectors must not be compared.
    `unread_share` is the share of the text's tokens that tell the embedder nothing.
    """

    embedder: str
    components: bytes
    unread: bytes = b""
    unread_share: float = 0.0

    @property
    def dimensions(self) -> int:
        return len(self.components) // _COMPONENT_BYTES
