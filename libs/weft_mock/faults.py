"""What a fault does to the bytes of an otherwise correct answer."""

from weft_mock import sse, wire
from weft_mock.script import Fault, Script

_AFTER_SOME_TOKENS = frozenset(
    {
        Fault.HANG,
        Fault.RESET,
        Fault.CLOSE,
        Fault.NO_END,
        Fault.ERROR_EVENT,
        Fault.BAD_JSON,
        Fault.INVALID_UTF8,
        Fault.HUGE_EVENT,
    }
)


def content_type(fault: Fault, right: str) -> str:
    """Returns the content type to send: the right one, unless the fault is to send a wrong one."""
    return "text/plain" if fault is Fault.WRONG_CONTENT_TYPE else right


def spoilt_events(script: Script, model: str, events: list[bytes]) -> list[bytes]:
    """Returns the events to send before the ending: all of them, or the first ones and then perhaps a malformed one."""
    if script.fault not in _AFTER_SOME_TOKENS:
        return events
    return events[: script.at_token] + _strange_event(script, model)


def _strange_event(script: Script, model: str) -> list[bytes]:
    match script.fault:
        case Fault.BAD_JSON:
            return [sse.NOT_JSON]
        case Fault.INVALID_UTF8:
            return [sse.not_utf8(model)]
        case Fault.HUGE_EVENT:
            return sse.tokens(model, ["x" * script.huge_bytes])
        case _:
            return []


def spoilt_ending(fault: Fault, model: str, end: bytes) -> bytes:
    """Returns what follows the events on the wire; `end` is the finish reason and the usage."""
    if fault is Fault.NONE:
        return wire.chunk(end + sse.DONE) + wire.LAST_CHUNK
    if fault in {Fault.HANG, Fault.CLOSE}:
        return b""
    late = sse.tokens(model, [" late"])[0]
    if fault is Fault.RESET:
        return wire.chunk(late)[: len(late) // 2]
    tails = {
        Fault.NO_END: b"",
        Fault.ERROR_EVENT: sse.ERROR,
        Fault.NO_DONE: end,
        Fault.TWO_ENDS: (end + sse.DONE) * 2,
        Fault.TOKENS_AFTER_END: end + sse.DONE + late,
    }
    return wire.chunk(tails.get(fault, end + sse.DONE)) + wire.LAST_CHUNK


def spoilt_body(fault: Fault, body: bytes) -> bytes:
    """Returns the JSON body of an answer that is not streamed, damaged as the fault says."""
    match fault:
        case Fault.BAD_JSON:
            return body[: len(body) // 2]
        case Fault.INVALID_UTF8:
            return body.replace(b'"content": "', b'"content": "\xff\xfe', 1)
        case _:
            return body


def spoilt_reply(fault: Fault, reply: bytes) -> bytes:
    """Returns the bytes of a complete reply that are sent; faults that cut it short hold back the end."""
    match fault:
        case Fault.HANG_AFTER_HEADERS:
            return reply[: reply.index(b"\r\n\r\n") + 4]
        case Fault.HANG | Fault.RESET | Fault.CLOSE:
            return reply[:-20]
        case _:
            return reply
