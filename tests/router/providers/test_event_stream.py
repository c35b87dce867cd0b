"""Server-sent events are found in bytes, whatever pieces those come in.

By the standard: WHATWG HTML, 9.2 "Server-sent events" (https://html.spec.whatwg.org/multipage/server-sent-events.html),
whose sections are named below. The limit of an event's size is our own.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft_router.providers.http.event_stream import MAX_EVENT_BYTES, EventStream
from weft_router.providers.provider import ProviderError

EVENTS = ["{}", '{"a": "Käuze 十二"}', "[DONE]"]


@given(st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 80))
def test_events_are_the_same_wherever_their_bytes_are_cut(newline: str, size: int) -> None:
    raw = "".join(f": comment{newline}data: {data}{newline}{newline}" for data in EVENTS).encode()
    stream = EventStream()
    found = [data for start in range(0, len(raw), size) for data in stream.read(raw[start : start + size])]

    assert found + stream.end() == EVENTS


def test_the_last_event_may_lack_its_blank_line() -> None:
    """9.2.6 would drop it; servers leave the line out (openai/openai-python, `SSEDecoder`, hands it out too)."""
    stream = EventStream()
    assert stream.read(b"data: a\n\ndata: [DONE]") == ["a"]
    assert stream.end() == ["[DONE]"]


def test_events_without_data_are_none() -> None:
    """9.2.6, "dispatch the event": an empty data buffer is no event; comments begin with a colon."""
    assert EventStream().read(b"id: 7\n\nevent: ping\n\n: comment\n\ndata: a\n\n") == ["a"]


@pytest.mark.parametrize(
    ("lines", "data"),
    [
        (b"event: ping\ndata: {}", '{"type": "ping"}'),
        (b'event: error\ndata: {"message": "x"}', '{"type": "error", "message": "x"}'),
        (b'data: { "a": 1}\nevent: a"b', '{"type": "a\\"b", "a": 1}'),
        (b'event: message\ndata: {"a": 1}', '{"a": 1}'),  # what an event without a name is called
        (b'event: ping\ndata: {"type": "pong"}', '{"type": "pong"}'),
        (b"event: error\ndata: gone", "gone"),
    ],
)
def test_an_object_that_names_no_type_has_that_of_its_event(lines: bytes, data: str) -> None:
    """9.2.6, the event type buffer; open-octo/octo-agent#910: errors that are told by it alone."""
    assert EventStream().read(lines + b"\n\n") == [data]


def test_a_byte_order_mark_is_no_part_of_the_first_event() -> None:
    """9.2.6: one leading U+FEFF is ignored."""
    assert EventStream().read(b"\xef\xbb\xbfdata: a\n\n") == ["a"]


def test_an_event_that_never_ends_is_refused() -> None:
    stream = EventStream()
    piece = b"data: " + b"x" * 65536
    with pytest.raises(ProviderError, match="more than"):
        for _ in range(2 * MAX_EVENT_BYTES // len(piece)):
            stream.read(piece)


def test_an_event_that_is_too_large_is_refused_even_when_it_comes_whole() -> None:
    with pytest.raises(ProviderError, match="more than"):
        EventStream().read(b"data: " + b"x" * (MAX_EVENT_BYTES + 1) + b"\n\n")


def test_many_events_in_one_piece_may_be_larger_together() -> None:
    event = b"data: " + b"x" * 1000 + b"\n\n"
    assert len(EventStream().read(event * 1500)) == 1500


def test_wrong_bytes_and_half_a_character_are_refused() -> None:
    """9.2.6 would replace them; an answer that was damaged on its way is better asked for again."""
    with pytest.raises(ProviderError, match="UTF-8"):
        EventStream().read(b"data: \xff\n\n")
    stream = EventStream()
    stream.read("data: ä".encode()[:-1])
    with pytest.raises(ProviderError, match="UTF-8"):
        stream.end()


def test_the_cr_and_the_lf_of_one_line_may_come_apart() -> None:
    """9.2.5: lines end in CRLF, LF or CR."""
    stream = EventStream()
    found = [data for piece in (b"data: a\r", b"\n", b"\r", b"\ndata: b\r\n\r\n") for data in stream.read(piece)]

    assert found == ["a", "b"]


def test_data_of_several_lines_is_one_and_other_fields_are_left_out() -> None:
    """9.2.6: each `data` adds a line, less one space; unknown fields are ignored."""
    assert EventStream().read(b"event: x\ndata:a\ndata:  b\nretry: 5\nnonsense\n\n") == ["a\n b"]
