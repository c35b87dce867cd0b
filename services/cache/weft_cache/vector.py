"""A text as an embedder sees it."""

from dataclasses import dataclass
from typing import Final

_COMPONENT_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Vector:
    """A unit vector: float32 components, little-endian, and the embedder that made it."""

    embedder: str
    components: bytes

    @property
    def dimensions(self) -> int:
        return len(self.components) // _COMPONENT_BYTES
