"""Which files are documents, and why the others are not."""

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
# How documents begin that are not UTF-8: PDF, the archive of an Office file, and UTF-16. The service does not read old
# and protected Office files, but recognises them, and says what to save them as.
_STARTS = (b"%PDF-", b"PK\x03\x04", b"\xff\xfe", b"\xfe\xff", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_NAMES_TOLD = 10


@dataclass(frozen=True)
class File:
    """A file to send, and its document's id."""

    path: Path
    document_id: str


@dataclass
class Found:
    """The files to send, and those that are not sent, by name with the reason."""

    files: list[File] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """Files given by name, so leaving them out is a failure."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Files found in folders."""


def find_files(paths: Iterable[Path]) -> Found:
    """Returns the documents at some paths: files given by name if they can be read, and files in folders by their name.

    Hidden files in folders are not reported if they are not documents.
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
    """Yields a line for each reason, with the names of the first files it applies to."""
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
        # Code in hidden folders belongs to tools and environments, and settings there hold secrets.
        if kind_by_name(path.name) and not (is_hidden and is_plain(path.name)):
            yield File(path, place.as_posix()), _nothing_to_read(path)
        elif not is_hidden:
            yield File(path, place.as_posix()), READ
    for error in locked:
        path = Path(error.filename)
        yield File(path, path.relative_to(folder).as_posix()), f"{error.strerror}: the folder cannot be read"


def _nothing_to_read(path: Path) -> str:
    """Returns why a file with a document's name has nothing to send; "" if it may have something.

    Folders of code contain many empty files, which is no mistake.
    """
    if not path.is_file():
        return "there is no file behind it"
    return "" if path.stat().st_size else "there is nothing in it"


def _may_be_read(path: Path) -> bool:
    """Returns whether a file has a document's name, or is text or a known format under any other name.

    Pipes and the like can be read only once, which is when they are sent.
    """
    if kind_by_name(path.name) or not path.is_file():
        return True
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        # A character may be cut at the end of the head.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except OSError:
        return True  # Sending it will report better what is wrong.
    except UnicodeDecodeError:
        return head.startswith(_STARTS)
    return "\0" not in text or head.startswith(_STARTS)
