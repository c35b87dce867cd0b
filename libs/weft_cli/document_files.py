"""Which files are documents, and why others are not."""

import codecs
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from weft_kit.document_names import is_plain, kind_by_name

READ = (
    "text, Markdown, HTML, PDF, Word (.docx), PowerPoint (.pptx), Excel (.xlsx), CSV, JSON and code are read, by their "
    "usual names; save other documents as one of these"
)
_HEAD_BYTES = 8192
# What documents that are no UTF-8 begin with: PDF, the archive that a file of Office is, and UTF-16. Old and protected
# files of Office are not read, but the service knows which they are, and says what to save them as.
_STARTS = (b"%PDF-", b"PK\x03\x04", b"\xff\xfe", b"\xfe\xff", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_NAMES_TOLD = 10


@dataclass(frozen=True)
class File:
    """A file to send, and the id its document gets."""

    path: Path
    document_id: str


@dataclass
class Found:
    """What is there to send, and what is not, by name with the reason."""

    files: list[File] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """Files that were named themselves, so that leaving them out is a failure."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Files found in folders."""


def find_files(paths: Iterable[Path]) -> Found:
    """Finds what the paths hold: named files of any name that can be read, in folders those that look like documents.

    Hidden files in folders that are no documents are not even told of.
    """
    found, seen = Found(), set[Path]()
    for path in paths:
        for file, problem in _in_folder(path) if path.is_dir() else [_named(path)]:
            if (real := file.path.resolve()) in seen:
                continue
            if problem:
                (found.skipped if path.is_dir() else found.refused)[file.document_id] = problem
            else:
                seen.add(real)
                found.files.append(file)
    return found


def told(skipped: dict[str, str]) -> Iterator[str]:
    """Yields a line for each reason, with the first names of the files that it holds for."""
    for reason in dict.fromkeys(skipped.values()):
        names = [name for name, why in skipped.items() if why == reason]
        more = f" and {len(names) - _NAMES_TOLD:,} more" if len(names) > _NAMES_TOLD else ""
        files = "1 file" if len(names) == 1 else f"{len(names):,} files"
        yield f"{files} skipped: {', '.join(names[:_NAMES_TOLD])}{more}; {reason}"


def _named(path: Path) -> tuple[File, str]:
    return File(path, path.name), "" if _may_be_read(path) else f"it is none of what can be read: {READ}"


def _in_folder(folder: Path) -> Iterator[tuple[File, str]]:
    locked: list[OSError] = []
    paths = [Path(at, name) for at, _, names in os.walk(folder, onerror=locked.append) for name in names]
    for path in sorted(paths):
        place = path.relative_to(folder)
        is_hidden = any(part.startswith(".") for part in place.parts)
        # Code in hidden folders is that of tools and environments, and settings there hold secrets.
        if kind_by_name(path.name) and not (is_hidden and is_plain(path.name)):
            yield File(path, place.as_posix()), _nothing_to_read(path)
        elif not is_hidden:
            yield File(path, place.as_posix()), READ
    for error in locked:
        path = Path(error.filename)
        yield File(path, path.relative_to(folder).as_posix()), f"{error.strerror}: the folder cannot be read"


def _nothing_to_read(path: Path) -> str:
    """Returns why there is nothing to send of a file that is called like a document; "" where there may be something.

    Folders of code hold many empty files, which are no fault.
    """
    if not path.is_file():
        return "there is no file behind it"
    return "" if path.stat().st_size else "there is nothing in it"


def _may_be_read(path: Path) -> bool:
    """Tells whether a file is what its name says, or text, whatever its name says.

    What is no file, such as a pipe, can be read only once, which is when it is sent.
    """
    if kind_by_name(path.name) or not path.is_file():
        return True
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        # A character may be cut at the end of the head.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except OSError:
        return True  # Sending it says better what is wrong.
    except UnicodeDecodeError:
        return head.startswith(_STARTS)
    return "\0" not in text or head.startswith(_STARTS)
