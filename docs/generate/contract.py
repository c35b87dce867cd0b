"""The contract with its comments, as protoc reads it."""

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from docs.generate.source import ROOT
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

_PROTOS: Final = ROOT / "protos"
# Numbers of fields in descriptor.proto, of which the paths in a file's source info are made.
PACKAGE, MESSAGES, ENUMS, SERVICES = 2, 4, 5, 6
FIELDS, NESTED, NESTED_ENUMS, ONEOFS = 2, 3, 4, 8
VALUES = METHODS = 2


class Contract:
    """One file of the contract: its descriptor, and what is said of each of its elements."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self.file = file
        self._comments = {
            tuple(place.path): " ".join(place.leading_comments.split())
            for place in file.source_code_info.location
            if place.leading_comments
        }

    def comment(self, *path: int) -> str:
        """Returns the comment above an element, in one line."""
        return self._comments.get(path, "")


@cache
def contracts() -> tuple[Contract, ...]:
    """Returns every file of the contract, in the order of their names."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "contract.binpb"
        options = ["--include_source_info", f"--descriptor_set_out={out}", f"-I{_PROTOS}"]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, *_files()], check=True)
        found = FileDescriptorSet.FromString(out.read_bytes())
    return tuple(Contract(file) for file in found.file)


def _files() -> Iterator[str]:
    return (str(path.relative_to(_PROTOS)) for path in sorted(_PROTOS.rglob("*.proto")))
