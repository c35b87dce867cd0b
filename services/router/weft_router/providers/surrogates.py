r"""Halves of characters: JSON may write a character beyond U+FFFF as two escapes, which servers may send in two events.

A text cannot hold one half. Until the other comes, it is represented by a character of the last private plane, which is
not in use; a half that stays alone becomes U+FFFD. (Unicode, chapter 3.9, "Surrogates"; RFC 8259, section 8.2.)
"""

import re

from weft.job.v1 import event_pb2

_PLANE = 0x100000
_FIRST, _SECOND = r"u[dD][89abAB][\da-fA-F]{2}", r"u[dD][c-fC-F][\da-fA-F]{2}"
# Every escape is matched, since a `u` after an escaped backslash begins none.
_ESCAPE = re.compile(rf"\\(?:{_FIRST}\\{_SECOND}|({_FIRST}|{_SECOND})|.)", re.DOTALL)
_RAW = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("([\U0010d800-\U0010dbff])([\U0010dc00-\U0010dfff])")
_HALF = re.compile("[\U0010d800-\U0010dfff]")


def marked(json_text: str) -> str:
    """Returns JSON in which private characters replace lone halves, whether escaped or, from lax writers, raw."""
    text = _ESCAPE.sub(lambda escape: chr(_PLANE + int(escape[1][1:], 16)) if escape[1] else escape[0], json_text)
    return _RAW.sub(lambda half: chr(_PLANE + ord(half[0])), text)


class Halves:
    """Joins the halves in one answer's deltas. A first half at the end is held back until the other comes."""

    def __init__(self) -> None:
        self._held: dict[str | int, str] = {}
        """First halves by the field that they end; for a call's arguments, by the call's index."""

    def join(self, said: event_pb2.Delta) -> bool:
        """Leaves only whole characters in a delta; returns whether it still says anything."""
        said.text = self._joined("text", said.text)
        said.reasoning = self._joined("reasoning", said.reasoning)
        for call in said.tool_calls:
            call.id, call.name = _without(call.id), _without(call.name)
            call.provider_state = _without(call.provider_state)
            call.arguments_json = self._joined(call.index, call.arguments_json)
        return bool(said.text or said.reasoning or said.tool_calls)

    def release(self, said: event_pb2.Delta) -> None:
        """Adds U+FFFD to the last delta for each half held back, as the others will not come."""
        for field in self._held:
            match field:
                case "text":
                    said.text += "\ufffd"
                case "reasoning":
                    said.reasoning += "\ufffd"
                case int():
                    said.tool_calls.add(index=field, arguments_json="\ufffd")
        self._held = {}

    def _joined(self, field: str | int, text: str) -> str:
        if not text:
            return text
        text = self._held.pop(field, "") + text
        if "\U0010d800" <= text[-1] <= "\U0010dbff":
            text, self._held[field] = text[:-1], text[-1]
        return _without(joined(text))


def joined(text: str) -> str:
    """Returns a text in which adjacent halves are joined."""
    return _PAIR.sub(_whole, text)


def _whole(pair: re.Match[str]) -> str:
    return chr(0x10000 + ((ord(pair[1]) & 0x3FF) << 10) + (ord(pair[2]) & 0x3FF))


def _without(text: str) -> str:
    return _HALF.sub("\ufffd", text)
