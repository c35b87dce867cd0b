"""How a reference page is put together: its head, its tables, and text that Markdown leaves as it is."""

from collections.abc import Iterable, Sequence

from bench.report.markdown import paragraph, table


def page_of(title: str, lead: str, *sections: Sequence[str]) -> str:
    """Returns a page: its title, where it comes from, and its sections as lines."""
    mark = "<!-- Written by `make docs`; change the code or the comments it comes from, not this page. -->"
    lines = [f"# {title}", "", mark, "", *paragraph(lead), *(line for section in sections for line in section)]
    return "\n".join(lines).rstrip("\n") + "\n"


def rows_under(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns a table, or nothing when it would have no row."""
    cells = [tuple(map(_cell, row)) for row in rows]
    return table(tuple(head), cells, words=len(head)) if cells else []


def prose(text: str) -> list[str]:
    """Returns prose as lines of even width, and the empty one behind them; nothing for an empty text."""
    return paragraph(plain(text)) if text else []


def code(text: str) -> str:
    """Returns a text as code, or nothing for an empty one."""
    return f"`{text}`" if text else ""


def plain(text: str) -> str:
    """Returns prose whose angle brackets and stars Markdown shows instead of reading them."""
    parts = text.split("`")
    parts[::2] = [part.replace("<", "&lt;").replace("*", r"\*") for part in parts[::2]]
    return "`".join(parts)


def number(value: float) -> str:
    """Returns a number as people write it: 60, and not 60.0."""
    return str(int(value)) if value == int(value) else str(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
