"""Finds the parts of a text whose tokens tell a model nothing.

Emoji, symbols, letters of many scripts and words of more than 100 letters all become the same unknown token, so a model
cannot tell such texts apart. Words in scripts that were rare in its training are spelt letter by letter: it can tell
these apart, but never learned what they mean.
"""

from collections.abc import Sequence
from hashlib import blake2b
from itertools import groupby
from typing import Final, Self

from tokenizers import Encoding, Tokenizer

_UNKNOWN_TOKENS: Final = ("[UNK]", "<unk>")
_MOSTLY: Final = 2 / 3
_DIGEST_BYTES: Final = 16


class Legibility:
    """Finds the parts of texts that one model's tokenizer does not represent."""

    def __init__(self, unknown: int | None, continuing: str | None) -> None:
        self._unknown = unknown
        self._continuing = continuing

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Self:
        """Returns the rules for a tokenizer. Only WordPiece spells words out; elsewhere a token of one letter may be a
        word, as in Chinese.
        """
        unknown = next((id_ for name in _UNKNOWN_TOKENS if (id_ := tokenizer.token_to_id(name)) is not None), None)
        return cls(unknown, getattr(tokenizer.model, "continuing_subword_prefix", None))

    def unread(self, encoding: Encoding, text: str, sequence: int = 0) -> list[str]:
        """Returns the parts of a text that became unknown tokens, in order; `sequence` 1 means a pair's second text."""
        if self._unknown not in encoding.ids:
            return []
        tokens = zip(encoding.ids, encoding.sequence_ids, encoding.offsets, strict=True)
        return [text[begin:end] for id_, of, (begin, end) in tokens if id_ == self._unknown and of == sequence]

    def unread_share(self, encoding: Encoding, text: str) -> float:
        """Returns the share of a text's tokens that are unknown or belong to words spelt letter by letter."""
        words = encoding.word_ids
        total = len(words) - words.count(None)
        if not total:
            return 0.0
        unread = encoding.ids.count(self._unknown) if self._unknown is not None else 0
        if self._continuing and not text.isascii():
            unread += self._spelt(words, encoding.tokens)
        return unread / total

    def _spelt(self, words: Sequence[int | None], tokens: Sequence[str]) -> int:
        """Returns how many tokens belong to words spelt letter by letter. ASCII texts, which spell only codes, need no
        check.
        """
        spelt = 0
        for word, found in groupby(zip(words, tokens, strict=True), key=lambda pair: pair[0]):
            pieces = [token.removeprefix(self._continuing or "") for _, token in found]
            letters = sum(len(piece) == 1 and piece.isalpha() for piece in pieces)
            if word is not None and len(pieces) > 1 and letters >= _MOSTLY * len(pieces):
                spelt += len(pieces)
        return spelt


def digest(pieces: Sequence[str]) -> bytes:
    """Returns a digest that is equal for equal pieces, and empty if there are none."""
    if not pieces:
        return b""
    return blake2b("\0".join(pieces).encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest()
