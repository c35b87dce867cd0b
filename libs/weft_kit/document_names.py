"""Which names documents have, and what is expected behind each: one list for those who send and those who read.

Kinds are told as `weft.retrieval.v1.ContentType` has them, in lower case.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath

_BY_KIND = {
    "text": ".txt .text",
    "markdown": ".md .markdown",
    "html": ".htm .html .xhtml",
    "pdf": ".pdf",
    "docx": ".docx .docm .dotx .dotm",
    "pptx": ".pptx .pptm .ppsx .ppsm .potx .potm",
    "xlsx": ".xlsx .xlsm .xltx .xltm",
    "csv": ".csv .tsv .tab",
    "json": ".json .jsonl .ndjson .geojson .ipynb",
}
_PLAIN = """
    .adoc .asciidoc .bib .cfg .conf .ini .log .org .properties .rst .srt .tex .toml .vtt .xml .yaml .yml
    .asm .awk .bash .bat .c .cc .clj .cljs .cmake .cmd .cpp .cs .css .cxx .dart .diff .elm .erl .ex .exs .f90 .fs .go
    .gradle .graphql .groovy .h .hcl .hpp .hs .hxx .java .jl .js .jsx .kt .kts .less .lisp .lua .m .mjs .ml .mm .nim
    .nix .pas .patch .php .pl .pm .proto .ps1 .py .pyi .r .rb .rs .sass .scala .scm .scss .sh .sol .sql .svelte .swift
    .tcl .tf .ts .tsx .v .vb .vhd .vue .zig .zsh
"""
_PLAIN_NAMES = frozenset({"containerfile", "dockerfile", "gemfile", "jenkinsfile", "makefile", "rakefile"})

SUFFIXES: Mapping[str, str] = {suffix: kind for kind, suffixes in _BY_KIND.items() for suffix in suffixes.split()}
"""The kinds of documents that people write and keep, by suffix."""
PLAIN_SUFFIXES = frozenset(_PLAIN.split())
"""Code, settings, logs and markup that are read as the text they are."""


def kind_by_name(name: str) -> str | None:
    """Returns what a file's name says that it is; None when it says nothing."""
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    is_plain = suffix in PLAIN_SUFFIXES or path.name.lower() in _PLAIN_NAMES
    return SUFFIXES.get(suffix) or ("text" if is_plain else None)


def is_plain(name: str) -> bool:
    """Says whether a name is that of code, settings or markup, rather than of a document."""
    return kind_by_name(name) is not None and PurePosixPath(name).suffix.lower() not in SUFFIXES
