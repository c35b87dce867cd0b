"""Markdown that reads well as plain text too."""

import textwrap
from collections.abc import Iterable


def paragraph(text: str) -> list[str]:
    """Returns a text wrapped into lines, with an empty line after them."""
    return [*textwrap.wrap(text, 120, break_on_hyphens=False, break_long_words=False), ""]


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], words: int = 1) -> list[str]:
    """Returns a table and an empty line after it; the first `words` columns hold text, the others numbers."""
    rule = (*["---"] * words, *["--:"] * (len(head) - words))
    return [*(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)), ""]
