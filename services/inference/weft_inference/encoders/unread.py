"""What a tokenizer leaves of a text that tells a model nothing.

Emoji, symbols, letters of many scripts and words of more than 100 letters are all the same unknown token, so a model
cannot tell one such text from another. Words of a script that it hardly met are spelt letter by letter: these can be
told apart, but it never learned what they say.
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
    """Says of texts what their tokens do not tell, as the tokenizer of one model has it."""

    def __init__(self, unknown: int | None, continuing: str | None) -> None:
        self._unknown = unknown
        self._continuing = continuing

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Self:
        """Only WordPiece spells: elsewhere a token of one letter may be a word, as in Chinese."""
        unknown = next((id_ for name in _UNKNOWN_TOKENS if (id_ := tokenizer.token_to_id(name)) is not None), None)
        return cls(unknown, getattr(tokenizer.model, "continuing_subword_prefix", None))

    def unread(self, encoding: Encoding, text: str, sequence: int = 0) -> list[str]:
        """Returns what stands in a text where its tokens are unknown, in order; of a pair, in that text of it."""
        if self._unknown not in encoding.ids:
            return []
        tokens = zip(encoding.ids, encoding.sequence_ids, encoding.offsets, strict=True)
        return [text[begin:end] for id_, of, (begin, end) in tokens if id_ == self._unknown and of == sequence]

    def unread_share(self, encoding: Encoding, text: str) -> float:
        """Returns the share of a text's tokens that are unknown, or of words that are spelt letter by letter."""
        words = encoding.word_ids
        total = len(words) - words.count(None)
        if not total:
            return 0.0
        unread = encoding.ids.count(self._unknown) if self._unknown is not None else 0
        if self._continuing and not text.isascii():
            unread += self._spelt(words, encoding.tokens)
        return unread / total

    def _spelt(self, words: Sequence[int | None], tokens: Sequence[str]) -> int:
        """Returns how many tokens belong to words that are spelt; ASCII codes that are need not be looked for."""
        spelt = 0
        for word, found in groupby(zip(words, tokens, strict=True), key=lambda pair: pair[0]):
            pieces = [token.removeprefix(self._continuing or "") for _, token in found]
            letters = sum(len(piece) == 1 and piece.isalpha() for piece in pieces)
            if word is not None and len(pieces) > 1 and letters >= _MOSTLY * len(pieces):
                spelt += len(pieces)
        return spelt


def digest(pieces: Sequence[str]) -> bytes:
    """Returns what is equal where the pieces are, empty where there are none."""
    if not pieces:
        return b""
    return blake2b("\0".join(pieces).encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest()
