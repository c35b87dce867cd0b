"""Markdown that reads well as plain text too."""

import textwrap
from collections.abc import Iterable


def paragraph(text: str) -> list[str]:
    """Lines of even width, and the empty one behind them."""
    return [*textwrap.wrap(text, 120, break_on_hyphens=False, break_long_words=False), ""]


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], words: int = 1) -> list[str]:
    """A table, and the empty line behind it; the first `words` columns hold text, the others numbers."""
    rule = (*["---"] * words, *["--:"] * (len(head) - words))
    return [*(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)), ""]
