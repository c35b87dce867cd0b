"""Markdown: the text as written, headings found outside of code blocks."""

import re
from collections.abc import Iterator

from weft_kit.document_names import ContentType
from weft_retrieval.formats.document_format import DocumentFormat
from weft_retrieval.formats.outline import MAX_TITLE, Heading, Parsed
from weft_retrieval.formats.text import decode

_FRONT_MATTER = re.compile(r"\A---\n.*?\n(?:---|\.\.\.)(?:\n|\Z)", re.DOTALL)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_NOT_A_PARAGRAPH = re.compile(r"\s*(?:$|[-*+>|#]|\d+[.)]\s| {4})")
# Linear in what MAX_TITLE leaves: no part gives back what it took, and a run of underscores is tried once.
_MARKUP = re.compile(r"!?\[([^\]]*+)\]\([^)]*+\)|[*`]++|(?<!\w)_++|(?<!_)_++(?!\w)")


def read_markdown(content: bytes) -> Parsed:
    text = _FRONT_MATTER.sub("", decode(content), count=1)
    return Parsed(text, tuple(_headings(text)))


def _headings(text: str) -> Iterator[Heading]:
    previous, previous_offset = "", 0
    for offset, line in _prose_lines(text):
        if match := _ATX.match(line):
            yield Heading(offset, len(match[1]), _plain(_unclosed(match[2] or "")))
        elif (match := _UNDERLINE.match(line)) and not _NOT_A_PARAGRAPH.match(previous):
            yield Heading(previous_offset, 1 if match[1][0] == "=" else 2, _plain(previous))
        previous, previous_offset = line, offset


def _prose_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yields offset and text of every line; lines of fenced code come as empty ones, so they are never headings."""
    fence, offset = "", 0
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if not fence and mark:
            fence = mark[1]
            yield offset, ""
        elif fence:
            fence = "" if mark and mark[1].startswith(fence) else fence
            yield offset, ""
        else:
            yield offset, line.rstrip("\n")
        offset += len(line)


def _unclosed(title: str) -> str:
    """Returns an ATX heading's title without the number signs that may end it."""
    ended = title.rstrip(" \t")
    bare = ended.rstrip("#")
    return bare if bare.endswith((" ", "\t")) else ended


def _plain(title: str) -> str:
    return _MARKUP.sub(lambda match: match[1] or "", title[:MAX_TITLE]).strip()


MARKDOWN = DocumentFormat(
    content_type=ContentType.MARKDOWN, description="Markdown", read=read_markdown, begins=re.compile(rb"\s*#{1,6} \S")
)
