"""Windows: the pieces of a chunk that the embedder can read, each under its headings, so that the whole chunk is
indexed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache

from tokenizers import Tokenizer

from weft_retrieval.chunking.splitter import Borders, Span, cut
from weft_retrieval.chunking.tokens import Ruler
from weft_retrieval.formats import Heading, Outline

# Headings may take this share of a window; longer ones are cut, since the text matters more.
_HEADING_SHARE = 4
# A token of a heading has about five characters including the space before it; anything beyond that cannot fit.
_TOKEN_CHARACTERS = 8
# Neighbours stand under the same headings.
_MEASURED_HEADINGS = 1024


class Windows:
    """Splits chunks into texts of at most `window_tokens`, special tokens and headings included."""

    def __init__(self, tokenizer: Tokenizer, window_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._room = window_tokens - tokenizer.num_special_tokens_to_add(is_pair=False)
        self._cut_to_share = lru_cache(_MEASURED_HEADINGS)(self._cut_to_share_anew)

    def over(self, ruler: Ruler, borders: Borders, outline: Outline, title: str, chunk: Span) -> Iterator[str]:
        """Yields the texts to index for one chunk; together they hold all of it, in order."""
        first, last = bisect_right(outline.offsets, chunk.start), bisect_left(outline.offsets, chunk.end)
        places = [chunk.start, *outline.offsets[first:last]]
        longest = max(self._prefix(title, outline, place + 1)[1] for place in places)
        for span in cut(ruler, borders, chunk, self._room - longest):
            prefix, _ = self._prefix(title, outline, span.start)
            yield prefix + ruler.text[span.start : span.end].strip()

    def _prefix(self, title: str, outline: Outline, start: int) -> tuple[str, int]:
        """Returns the lines to put before a window that starts at `start`, and their tokens."""
        lines = "\n".join(breadcrumb(title, outline.over(start), start))
        return self._cut_to_share(lines[: self._room // _HEADING_SHARE * _TOKEN_CHARACTERS])

    def _cut_to_share_anew(self, lines: str) -> tuple[str, int]:
        ruler = Ruler(self._tokenizer, lines)
        if ruler.empty:
            return "", 0
        end = ruler.reach(0, self._room // _HEADING_SHARE)
        return lines[:end] + "\n", ruler.count(0, end)


def breadcrumb(title: str, path: Sequence[Heading], start: int) -> list[str]:
    """Returns title and headings that stand over a text from `start` on without being part of it.

    A title that repeats the outermost heading is left out.
    """
    repeated = bool(path) and path[0].title.casefold() == title.casefold()
    above = [heading.title for heading in path if heading.offset < start]
    return above if repeated or not title else [title, *above]
