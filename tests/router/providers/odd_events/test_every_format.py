"""Events that are not as any format describes them, and still say what is meant; and those that cannot be read."""

import pytest
from tests.router.events import FORMATS, body, choice, delta, part, said
from tests.router.recorded import read

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2
from weft_router.providers.openai.responses_answer import ResponsesAnswer
from weft_router.providers.provider import ProviderError, Remedy
from weft_router.providers.stream_reader import StreamReader

HEARTBEATS = {
    "an empty object": {},  # https://github.com/BerriAI/litellm/pull/34382
    "a ping": {"type": "ping"},  # https://docs.anthropic.com/en/docs/build-with-claude/streaming, "Ping events"
    "null": None,
    "a word": "ping",
    "a word as JSON": '"ping"',
    "an empty list": [],
    "blanks": "   ",
    "no error": {"error": None},
    "an error of nothing": {"error": {}},
    "an empty error": {"error": ""},
    "an error of nulls": {"error": {"message": None, "code": None}},
    "an unknown type": {"type": "unheard.of", "sequence_number": 7},  # both formats of typed events ask for that
    "a state of the queue": {"status": "queued", "message": "3 before you"},
}


@pytest.mark.parametrize("event", HEARTBEATS.values(), ids=HEARTBEATS)
@pytest.mark.parametrize("kind", FORMATS)
def test_what_says_nothing_costs_nothing(kind: str, event: object) -> None:
    assert said(kind, event) == "Hi you"


@pytest.mark.parametrize(
    "lines", [": keep-alive\n\n", "event: ping\n\n", "data:\n\n", "data\n\n", "\n\n\n", "id: 7\n\n"]
)
@pytest.mark.parametrize("kind", FORMATS)
def test_lines_without_data_cost_nothing(kind: str, lines: str) -> None:
    """https://openrouter.ai/docs/api/reference/streaming, "Additional information": comments; 9.2.6 of WHATWG HTML."""
    reader, says, ends = FORMATS[kind]
    content = b"".join(body(each) + lines.encode() for each in (*says("Hi"), *ends[:-1])) + body(ends[-1])

    assert read(reader(), [lines.encode() + content]).said.text == "Hi"


@pytest.mark.parametrize("kind", FORMATS)
def test_an_error_in_openais_form_is_known_in_every_format(kind: str) -> None:
    """Gateways answer with it whatever they were asked (https://docs.litellm.ai/docs/exception_mapping)."""
    with pytest.raises(ProviderError, match="slow down"):
        said(kind, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}})


UNREADABLE = {
    "choices": ("openai", {"choices": 5}, "a number as choices"),
    "content": ("openai", choice({"content": 5}), "a number as delta.content"),
    "content of a part": ("openai", choice({"content": [{"type": "text", "text": 5}]}), "a number as delta.content"),
    "content that is an object": ("openai", choice({"content": {"secret": "words"}}), "an object as delta.content"),
    "refusal": ("openai", choice({"refusal": ["secret"]}), "a list as delta.refusal"),
    "reasoning": ("openai", choice({"reasoning": True}), "true or false as delta.reasoning"),
    "text delta": (
        "anthropic",
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ["secret"]}},
        "a list as delta.text",
    ),
    "block": ("anthropic", {"type": "content_block_start", "index": 0, "content_block": "secret"}, "text as content_"),
    "part": ("gemini", part(["secret"]), "a list as parts.text"),  # type: ignore[arg-type]
    "candidates": ("gemini", {"candidates": "secret"}, "text as candidates"),
    "output text": ("responses", {"type": "response.output_text.delta", "delta": 5}, "a number as delta"),
}


@pytest.mark.parametrize(("kind", "event", "named"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_named_by_its_field_and_never_quoted(kind: str, event: object, named: str) -> None:
    """The server would send the same to every attempt, so that only another one is asked."""
    with pytest.raises(ProviderError) as failure:
        said(kind, event)

    assert named in failure.value.message
    assert "secret" not in failure.value.message
    assert failure.value.reason == error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN
    assert failure.value.remedy is Remedy.ANOTHER_PROVIDER


def test_a_field_that_is_missing_is_named() -> None:
    with pytest.raises(ProviderError, match="without its field output_index"):
        said("responses", {"type": "response.function_call_arguments.delta", "delta": "{}"})


@pytest.mark.parametrize("kind", FORMATS)
def test_events_may_stand_without_blank_lines_between_them(kind: str) -> None:
    reader, says, ends = FORMATS[kind]
    sent = body(*says("Hi"), *says(" you"), *ends, "[DONE]").replace(b"\n\n", b"\n")
    assert read(reader(), [sent]).said.text == "Hi you"


@pytest.mark.parametrize("kind", ["anthropic", "responses"])
def test_events_may_say_what_they_are_by_their_name_alone(kind: str) -> None:
    reader, says, ends = FORMATS[kind]
    events = (*says("Hi"), *ends)
    named = (f"event: {one['type']}\n".encode() + body({k: v for k, v in one.items() if k != "type"}) for one in events)
    assert read(reader(), named).said.text == "Hi"


@pytest.mark.parametrize("kind", FORMATS)
def test_an_event_named_error_fails_the_answer(kind: str) -> None:
    """open-octo/octo-agent#910: errors behind a status of 200."""
    reader, says, ends = FORMATS[kind]
    with pytest.raises(ProviderError, match="upstream died"):
        read(reader(), [body(*says("Hi")), b"event: error\n" + body({"message": "upstream died"}), body(*ends)])


def test_a_response_that_only_its_end_tells_is_read() -> None:
    """https://platform.openai.com/docs/api-reference/responses-streaming/response/completed"""
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "message", "content": [{"type": "output_text", "text": "Four", "annotations": []}]},
    ]
    completed = {"type": "response.completed", "response": {"status": "completed", "output": output}}
    found = read(ResponsesAnswer(), [body(completed)])

    assert (found.said.text, found.said.reasoning) == ("Four", "Hm.")
    assert read(ResponsesAnswer(), [body(delta("Four"), completed)]).said.text == "Four"


@pytest.mark.parametrize("kind", FORMATS)
def test_what_was_said_and_counted_before_a_failure_comes_before_it(kind: str) -> None:
    """In one piece from the network too: it was paid for."""
    reader, says, _ = FORMATS[kind]
    counted = {
        "openai": {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}},
        "anthropic": {"type": "message_delta", "usage": {"input_tokens": 9, "output_tokens": 3}},
        "gemini": {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3}},
        "responses": {
            "type": "response.failed",
            "response": {"error": {"code": "server_error"}, "usage": {"input_tokens": 9, "output_tokens": 3}},
        },
    }[kind]
    steps = []
    with pytest.raises(ProviderError):
        for step in StreamReader(reader()).read(body(*says("Hi"), counted, "{broken")):
            steps.append(step)  # noqa: PERF402 - what came before the failure is wanted

    [text, usage] = steps
    assert isinstance(text, event_pb2.Delta)
    assert text.text == "Hi"
    assert usage == chat_pb2.Usage(prompt_tokens=9, completion_tokens=3)
