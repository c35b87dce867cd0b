"""Which names documents have, and what is expected behind each: one list for those who send and those who read."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Self


class ContentType(StrEnum):
    """The kinds of documents, as the contract names them, each with the suffixes of its files."""

    suffixes: tuple[str, ...]

    # By the default, type checkers know that ContentType("pdf") finds a member.
    def __new__(cls, name: str, suffixes: str = "") -> Self:
        """Takes the name that is stored, and the suffixes separated by spaces."""
        kind = str.__new__(cls, name)
        kind._value_ = name
        kind.suffixes = tuple(suffixes.split())
        return kind

    TEXT = "text", ".txt .text"
    MARKDOWN = "markdown", ".md .markdown"
    HTML = "html", ".htm .html .xhtml"
    PDF = "pdf", ".pdf"
    DOCX = "docx", ".docx .docm .dotx .dotm"
    PPTX = "pptx", ".pptx .pptm .ppsx .ppsm .potx .potm"
    XLSX = "xlsx", ".xlsx .xlsm .xltx .xltm"
    CSV = "csv", ".csv .tsv .tab"
    JSON = "json", ".json .jsonl .ndjson .geojson .ipynb"


_PLAIN = """
    .adoc .asciidoc .bib .cfg .conf .ini .log .org .properties .rst .srt .tex .toml .vtt .xml .yaml .yml
    .asm .awk .bash .bat .c .cc .clj .cljs .cmake .cmd .cpp .cs .css .cxx .dart .diff .elm .erl .ex .exs .f90 .fs .go
    .gradle .graphql .groovy .h .hcl .hpp .hs .hxx .java .jl .js .jsx .kt .kts .less .lisp .lua .m .mjs .ml .mm .nim
    .nix .pas .patch .php .pl .pm .proto .ps1 .py .pyi .r .rb .rs .sass .scala .scm .scss .sh .sol .sql .svelte .swift
    .tcl .tf .ts .tsx .v .vb .vhd .vue .zig .zsh
"""
_PLAIN_NAMES = frozenset({"containerfile", "dockerfile", "gemfile", "jenkinsfile", "makefile", "rakefile"})

SUFFIXES: Mapping[str, ContentType] = {suffix: kind for kind in ContentType for suffix in kind.suffixes}
"""The kinds of documents that people write and keep, by suffix."""
PLAIN_SUFFIXES = frozenset(_PLAIN.split())
"""Code, settings, logs and markup that are read as the text they are."""


def kind_by_name(name: str) -> ContentType | None:
    """Returns what a file's name says that it is; None when it says nothing."""
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    is_plain = suffix in PLAIN_SUFFIXES or path.name.lower() in _PLAIN_NAMES
    return SUFFIXES.get(suffix) or (ContentType.TEXT if is_plain else None)


def is_plain(name: str) -> bool:
    """Says whether a name is that of code, settings or markup, rather than of a document."""
    return kind_by_name(name) is not None and PurePosixPath(name).suffix.lower() not in SUFFIXES
