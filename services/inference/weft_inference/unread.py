"""What a tokenizer has no tokens for: emoji, symbols, letters of most scripts, and words of more than 100 letters.

To a model all of it is one and the same unknown token, so it cannot tell one such text from another.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from tokenizers import Encoding, Tokenizer

_NAMES: Final = ("[UNK]", "<unk>")
_DIGEST_BYTES: Final = 16


def unknown_token(tokenizer: Tokenizer) -> int | None:
    """Returns the id of the unknown token, None where the tokenizer has one for every byte."""
    return next((id_ for name in _NAMES if (id_ := tokenizer.token_to_id(name)) is not None), None)


def unread_pieces(encoding: Encoding, text: str, unknown: int | None, sequence: int = 0) -> list[str]:
    """Returns what stands in a text where its tokens are unknown, in order; of a pair, in the text of that place."""
    if unknown not in encoding.ids:
        return []
    tokens = zip(encoding.ids, encoding.sequence_ids, encoding.offsets, strict=True)
    return [text[begin:end] for id_, of, (begin, end) in tokens if id_ == unknown and of == sequence]


def digest(pieces: Sequence[str]) -> bytes:
    """Returns what is equal where the pieces are, empty where there are none."""
    if not pieces:
        return b""
    spelt = "\0".join(pieces).encode(errors="surrogatepass")
    return blake2b(spelt, digest_size=_DIGEST_BYTES).digest()
