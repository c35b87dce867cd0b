"""Every format's streams, wherever their bytes are cut and however their lines end.

They are written after platform.openai.com/docs/api-reference/chat-streaming and responses-streaming,
docs.claude.com/en/docs/build-with-claude/streaming and ai.google.dev/api/generate-content; the calls that are all
numbered 0 or not at all after ollama/ollama#15457 and #7881.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.router import recorded
from tests.router.recorded import NAMES, Whole, answer, pieces, raw, read

from weft.common.v1 import chat_pb2
from weft_router.providers.http.event_stream import MAX_EVENT_BYTES
from weft_router.providers.provider import ProviderError

STOP, LENGTH = chat_pb2.FINISH_REASON_STOP, chat_pb2.FINISH_REASON_LENGTH
CALLS, FILTER = chat_pb2.FINISH_REASON_TOOL_CALLS, chat_pb2.FINISH_REASON_CONTENT_FILTER

ENDS = {
    "anthropic-refusal": ("", FILTER, "refusal"),
    "anthropic-text": ("Bonjour, Zoë", STOP, "end_turn"),
    "anthropic-thinking-tools": ("I look.", CALLS, "tool_use"),
    "gemini-blocked": ("", FILTER, "PROHIBITED_CONTENT"),
    "gemini-cut": ("So long", LENGTH, "MAX_TOKENS"),
    "gemini-partial-arguments": ("", CALLS, "STOP"),
    "gemini-text": ("Drei Bäume 🌳", STOP, "STOP"),
    "gemini-tools": ("", CALLS, "STOP"),
    "openai-azure": ("Half ", FILTER, "content_filter"),
    "openai-reasoning": ("42", STOP, "stop"),
    "openai-refusal": ("I can't help.", FILTER, "stop"),
    "openai-text": ("Zwölf Käuze — 十二。", STOP, "stop"),
    "openai-tools": ("", CALLS, "tool_calls"),
    "openai-tools-all-zero": ("", CALLS, "tool_calls"),
    "openai-tools-unnumbered": ("", CALLS, "stop"),
    "responses-cut": ("Once upon", LENGTH, "max_output_tokens"),
    "responses-refusal": ("No.", FILTER, "completed"),
    "responses-text": ("Grüß Gott", STOP, "completed"),
    "responses-tools": ("", CALLS, "completed"),
}

CALLED = {
    "anthropic-thinking-tools": [("t1", "weather", '{"city":"Paris"}'), ("t2", "time", "{}")],
    "gemini-partial-arguments": [
        ("call_0", "trip", '{"from":"Boston","days":[1,2.5],"stops":[{"by":null}],"back":true}'),
    ],
    "gemini-tools": [("call_0", "weather", '{"city":"Paris"}'), ("own", "time", "{}")],
    "openai-tools": [("call_a", "weather", '{"city": "München"}'), ("call_b", "time", "{}")],
    "openai-tools-all-zero": [("x", "weather", "{}"), ("y", "time", "{}")],
    "openai-tools-unnumbered": [("x", "weather", '{"city": "Rome"}'), ("y", "time", "{}"), ("call_2", "date", "{}")],
    "responses-tools": [("call_a", "weather", '{"city":"Paris"}'), ("call_b", "time", "{}")],
}

USAGES = {
    "anthropic-text": {"prompt_tokens": 127, "completion_tokens": 6, "cached": 100, "reasoning": 0, "written": 20},
    "anthropic-thinking-tools": {
        "prompt_tokens": 127, "completion_tokens": 40, "cached": 100, "reasoning": 9, "written": 20,
    },
    "gemini-text": {"prompt_tokens": 50, "completion_tokens": 20, "cached": 32, "reasoning": 12, "written": 0},
    "openai-text": {"prompt_tokens": 9, "completion_tokens": 6, "cached": 4, "reasoning": 2, "written": 0},
    "responses-text": {"prompt_tokens": 30, "completion_tokens": 12, "cached": 10, "reasoning": 5, "written": 0},
}  # fmt: skip

THOUGHTS = {
    "anthropic-thinking-tools": "Rain? Ask.",
    "gemini-text": "I count.",
    "openai-reasoning": "Let me think.",
    "responses-text": "First.\n\nThen.",
}


def whole(name: str) -> Whole:
    return read(answer(name), [raw(name)])


def test_every_recording_is_compared() -> None:
    assert list(ENDS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_read_with_its_end_and_the_providers_own_word_for_it(name: str) -> None:
    found = whole(name)

    assert found.finished is not None
    assert (found.said.text, found.finished.finish_reason, found.finished.raw_finish_reason) == ENDS[name]


@pytest.mark.parametrize("name", CALLED)
def test_tool_calls_are_read_whole(name: str) -> None:
    said = whole(name).said

    assert [(call.id, call.name, call.arguments_json) for call in said.tool_calls] == CALLED[name]
    assert said.broken_call() is None


@pytest.mark.parametrize("name", USAGES)
def test_usage_counts_what_was_cached_and_what_was_thought(name: str) -> None:
    usage, expected = whole(name).usage, USAGES[name]

    assert usage == chat_pb2.Usage(
        prompt_tokens=expected["prompt_tokens"],
        completion_tokens=expected["completion_tokens"],
        cached_prompt_tokens=expected["cached"],
        reasoning_tokens=expected["reasoning"],
        cache_write_prompt_tokens=expected["written"],
    )


@pytest.mark.parametrize("name", NAMES)
def test_reasoning_is_kept_apart_from_the_answer(name: str) -> None:
    assert whole(name).said.reasoning == THOUGHTS.get(name, "")


@given(st.sampled_from(NAMES), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.data())
def test_it_does_not_matter_where_the_bytes_are_cut(name: str, newline: bytes, data: st.DataObject) -> None:
    content = raw(name).replace(b"\n", newline)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(content) - 1), max_size=40)))
    chunks = [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]

    assert read(answer(name), chunks) == whole(name)


@pytest.mark.parametrize("size", [1, 7, 97])
@pytest.mark.parametrize("name", NAMES)
def test_it_does_not_matter_how_small_the_pieces_are(name: str, size: int) -> None:
    assert read(answer(name), pieces(raw(name), size)) == whole(name)


def before_the_end(name: str) -> bytes:
    """Return a recording up to the event that says why the model stopped, which is the last that has to come."""
    content = raw(name)
    word = json.dumps(ENDS[name][2]).encode()
    return content[: content.rindex(b"data: ", 0, content.rindex(word))]


@given(st.sampled_from([name for name in NAMES if name != "gemini-cut"]), st.floats(0, 1))
def test_a_stream_without_its_end_is_never_an_answer(name: str, share: float) -> None:
    """Wherever it is cut off before the model's own word for its end."""
    content = before_the_end(name)
    with pytest.raises(ProviderError):
        read(answer(name), [content[: int(share * len(content))]])


@pytest.mark.parametrize("name", ["openai-text", "openai-tools", "anthropic-text", "anthropic-thinking-tools"])
def test_a_stream_that_only_lacks_its_end_marker_is_an_answer(name: str) -> None:
    """https://github.com/Dstack-TEE/private-ai-gateway/pull/114: GMI's stream ends behind its counts."""
    content = raw(name)
    marker = {"openai": b"data: [DONE]", "anthropic": b"event: message_stop"}[name.partition("-")[0]]

    assert read(answer(name), [content[: content.index(marker)]]) == whole(name)


@pytest.mark.parametrize("name", NAMES)
def test_an_event_of_more_than_a_mebibyte_is_refused_however_it_comes(name: str) -> None:
    event = b'data: {"type":"ping","pad":"' + b"x" * MAX_EVENT_BYTES + b'"}\n\n'
    for size in (len(event), 65536):
        with pytest.raises(ProviderError, match="more than"):
            read(answer(name), pieces(event + raw(name), size))


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("gemini")])
def test_what_follows_the_end_marker_is_not_part_of_the_answer(name: str) -> None:
    """But for Gemini, whose only end marker is that nothing follows."""
    assert read(answer(name), [raw(name) + raw(name)]) == whole(name)


@pytest.mark.parametrize("name", ["openai-text", "responses-text", "anthropic-text", "gemini-text"])
@pytest.mark.parametrize(
    "data", [b"", b"[]", b"1", b"null", b'"a"', b'{"choices": 5}', b'{"type": 1, "candidates": 1}']
)
def test_what_is_no_event_of_the_format_is_a_failure(name: str, data: bytes) -> None:
    with pytest.raises(ProviderError):
        read(answer(name), [b"data: " + data + b"\n\n"])


def test_recordings_are_written_by_hand_and_small() -> None:
    assert all(path.stat().st_size < 8192 for path in recorded.FOLDER.iterdir())
