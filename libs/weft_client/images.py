"""Pictures for a question: from a file, from memory, or by URL."""

from pathlib import Path
from typing import TypeAlias

from weft.common.v1 import chat_pb2

Picture: TypeAlias = str | bytes | Path
"""An https URL, which the provider fetches; the picture's bytes; or the path of a file."""

_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


def image(picture: Picture) -> chat_pb2.Image:
    """Returns a picture as a part of a message.

    Raises:
        OSError: the file cannot be read.
        ValueError: the picture's format is not supported, or its address is not an https URL.
    """
    match picture:
        case str():
            if not picture.startswith("https://"):
                raise ValueError(f"a picture's address begins with https://; it is {picture!r}")
            return chat_pb2.Image(url=picture)
        case bytes():
            return chat_pb2.Image(data=picture, mime_type=_mime_type(picture, "the picture"))
        case Path():
            data = picture.read_bytes()
            return chat_pb2.Image(data=data, mime_type=_mime_type(data, str(picture)))


def _mime_type(data: bytes, name: str) -> str:
    """Returns the format by the first bytes, since file names can be wrong."""
    for signature, mime_type in _SIGNATURES.items():
        if data.startswith(signature):
            return mime_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise ValueError(f"{name} is no PNG, JPEG, GIF or WebP; convert it to one of these")
