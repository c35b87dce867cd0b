"""Jupyter notebooks (nbformat 3 and 4): text, code, and textual outputs."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from weft_retrieval.formats.draft import Draft
from weft_retrieval.formats.markdown import read_markdown
from weft_retrieval.formats.outline import Parsed

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_TEXTS = ("text/markdown", "text/plain", "text")


def is_notebook(value: Any) -> bool:
    """Says whether an object, as pairs, is a notebook."""
    keys = {pair[0] for pair in value if isinstance(pair, tuple)} if isinstance(value, list) else set()
    return "nbformat" in keys and ("cells" in keys or "worksheets" in keys)


def write_notebook(notebook: Mapping[str, Any], draft: Draft) -> Parsed:
    """Writes the cells in order; the headings are those of its Markdown."""
    for cell in _cells(notebook):
        source = _text(cell.get("source", cell.get("input", "")))
        if cell.get("cell_type") == "markdown":
            _write_markdown(source, draft)
        else:
            draft.paragraph(source)
        for output in _members(cell.get("outputs")):
            draft.paragraph(_COLOUR.sub("", _output(output)))
    parsed = draft.parsed()
    return parsed if parsed.headings else draft.parsed(title="")


def _cells(notebook: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    yield from _members(notebook.get("cells"))
    for worksheet in _members(notebook.get("worksheets")):
        yield from _members(worksheet.get("cells"))


def _write_markdown(source: str, draft: Draft) -> None:
    """Writes Markdown as it is, up to each of its headings."""
    parsed = read_markdown(source.encode("utf-8", "replace"))
    at = 0
    for heading in parsed.headings:
        draft.paragraph(parsed.text[at : heading.offset])
        draft.heading(heading.title, heading.level)
        end = parsed.text.find("\n", heading.offset)
        at = end if end >= 0 else len(parsed.text)
    draft.paragraph(parsed.text[at:])


def _output(output: Mapping[str, Any]) -> str:
    """Returns the text of a cell's output; pictures and HTML come with a textual alternative."""
    if output.get("output_type") in {"error", "pyerr"}:
        return f"{_text(output.get('ename'))}: {_text(output.get('evalue'))}"
    data = dict(_pairs(output.get("data"))) or output
    return next((text for kind in _TEXTS if (text := _text(data.get(kind)))), "")


def _text(value: Any) -> str:
    """Returns a multi-line string, which may come as a list of its lines."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""


def _members(value: Any) -> Iterable[Mapping[str, Any]]:
    return (dict(_pairs(member)) for member in value) if isinstance(value, list) else ()


def _pairs(value: Any) -> list[tuple[str, Any]]:
    return [pair for pair in value if isinstance(pair, tuple)] if isinstance(value, list) else []
