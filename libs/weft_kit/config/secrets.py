"""Settings that are secrets: they are never shown, and `NAME_FILE` may name a file with the value of `NAME`."""

import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, TypeAlias, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretBytes, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

_MOST_BYTES: Final = 64 * 1024
_HOST: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:[0-9]*)?")


class _Secret:
    """Marks a setting whose value the service reads as plain text and never shows."""


def _readable(text: str) -> str:
    """Refuses values that a library would reject with an error that quotes the password, or would take for a host."""
    if not all(map(_has_hosts, text.split(",") if text.count("://") > 1 else (text,))):
        problem = "no URL that can be read; in its password, write / as %2F, # as %23, ? as %3F and : as %3A"
        raise PydanticCustomError("url", "{problem}", {"problem": problem})
    return text


def _has_hosts(url: str) -> bool:
    if "=" in url.partition("://")[0]:
        return True  # not a URL, but a list of names and values, as PostgreSQL accepts
    try:
        place = urlsplit(url if "//" in url else f"//{url}").netloc
    except ValueError:
        return False
    # A password cut in two leaves its @ in the part after the host.
    return ("@" in place or "@" not in url) and all(map(_HOST.fullmatch, place.rpartition("@")[2].split(",")))


SecretUrl: TypeAlias = Annotated[str, Field(repr=False), _Secret(), AfterValidator(_readable)]
"""A URL, or several, possibly with a password."""


def is_secret(field: FieldInfo) -> bool:
    """Returns whether the value of a setting must not be shown."""
    kinds = (field.annotation, *get_args(field.annotation))
    return SecretStr in kinds or SecretBytes in kinds or any(isinstance(mark, _Secret) for mark in field.metadata)


def file_variable(name: str) -> str:
    """Returns the variable that names the file with a secret."""
    return f"{name}_FILE"


def secrets_in_files(environ: Mapping[str, str], names: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Returns the secrets read from files, by variable, and a line for each file that could not be used.

    A variable that is empty counts as not set.
    """
    found: dict[str, str] = {}
    problems: list[str] = []
    given = {name.upper() for name, value in environ.items() if value}
    for name, path in _files(environ, names):
        if name in given:
            problems.append(f"{name} and {file_variable(name)} are both set; unset one of them")
            continue
        try:
            found[name] = _read(path)
        except OSError as error:
            why = f"cannot be read ({error.strerror}); name a file that this service may read"
            problems.append(f"{file_variable(name)}: {path} {why}")
        except ValueError as error:
            problems.append(f"{file_variable(name)}: {path} {error}; write the secret into it and nothing else")
    return found, problems


def exposed_files(environ: Mapping[str, str], names: Collection[str]) -> list[str]:
    """Returns a line for each file with a secret that every user of the machine may read."""
    return [
        f"{file_variable(name)}: every user of this machine may read {path}; `chmod o-r` takes that back"
        for name, path in _files(environ, names)
        if path.exists() and path.stat().st_mode & stat.S_IROTH
    ]


def _files(environ: Mapping[str, str], names: Collection[str]) -> Iterator[tuple[str, Path]]:
    values = {name.upper(): value for name, value in environ.items()}
    for name in sorted(names):
        if path := values.get(file_variable(name)):
            # Expanded as other paths are; if the home folder is unknown, the file counts as missing.
            yield name, Path(os.path.expanduser(path))  # noqa: PTH111


def _read(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"is larger than {_MOST_BYTES // 1024} KiB")
    try:
        secret = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("is no text") from None
    if not secret:
        raise ValueError("is empty")
    return secret
