"""Events that are not as their format describes them, and still say what is meant: read, in all four formats."""

from collections.abc import Iterable
from typing import Any

import pytest
from tests.router.events import DONE, FORMATS, MESSAGE_END, STOP, block, body, chat, choice, delta, part, said
from tests.router.recorded import read

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import event_pb2
from weft_router.providers.anthropic.messages_answer import MessagesAnswer
from weft_router.providers.gemini.answer import GenerateContentAnswer
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


CHUNKS_WITHOUT_CHOICES = {
    "usage alone": {"usage": {"prompt_tokens": 9, "completion_tokens": 3}},  # langchain-ai/langchain#27886
    "usage, and no choices": {"choices": None, "usage": {"prompt_tokens": 9, "completion_tokens": 3}},
    "an empty list": {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}},
    "a choice of nothing": {"choices": [None], "usage": {"prompt_tokens": 9, "completion_tokens": 3}},
}


@pytest.mark.parametrize("event", CHUNKS_WITHOUT_CHOICES.values(), ids=CHUNKS_WITHOUT_CHOICES)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_chunk_without_choices_tells_its_usage(event: object, *, is_first: bool) -> None:
    """https://github.com/lm-sys/FastChat/issues/3160, https://github.com/ROCm/ATOM/pull/1711"""
    events = [choice({"content": "Hi"}), STOP]
    found = chat(*([event, *events] if is_first else [*events, event]), DONE)

    assert found.said.text == "Hi"
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (9, 3)


CHOICES = {
    "index null": {"choices": [{"index": None, "delta": {"content": "Hi"}}]},
    "no index": {"choices": [{"delta": {"content": "Hi"}}]},
    "index as text": {"choices": [{"index": "0", "delta": {"content": "Hi"}}]},
    "index as a fraction": {"choices": [{"index": 0.0, "delta": {"content": "Hi"}}]},
    "no index, and several": {"choices": [{"delta": {"content": "Hi"}}, {"delta": {"content": "other"}}]},
    "several": {"choices": [{"index": 1, "delta": {"content": "other"}}, {"index": 0, "delta": {"content": "Hi"}}]},
    "one that is no list": {"choices": {"index": 0, "delta": {"content": "Hi"}}},
    "by their index": {"choices": {"0": {"index": 0, "delta": {"content": "Hi"}}}},
    "a message": {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]},
    "a message, and no delta": {"choices": [{"index": 0, "delta": None, "message": {"content": "Hi"}}]},
    "text": {"choices": [{"index": 0, "text": "Hi"}]},  # https://platform.openai.com/docs/api-reference/completions
    "a delta of text": {"choices": [{"index": 0, "delta": "Hi"}]},
    "logprobs that are no JSON": '{"choices":[{"index":0,"delta":{"content":"Hi"},"logprobs":{"x":[NaN,-Infinity]}}]}',
    "a number beyond all integers": '{"created":' + "9" * 40 + ',"choices":[{"index":0,"delta":{"content":"Hi"}}]}',
    "a name that stands twice": '{"choices":[],"choices":[{"index":0,"delta":{"content":"Hi"}}]}',
    "a list of chunks": [{"choices": [{"index": 0, "delta": {"content": "Hi"}}]}],
}


@pytest.mark.parametrize("event", CHOICES.values(), ids=CHOICES)
def test_a_choice_is_read_in_every_form_it_comes_in(event: object) -> None:
    assert chat(event, STOP, DONE).said.text == "Hi"


@pytest.mark.parametrize("name", ["message", "delta", "text"])
def test_choices_may_tell_their_pieces_as_messages_or_as_text(name: str) -> None:
    """https://platform.openai.com/docs/api-reference/completions/create, `text`, and servers that name all `message`"""
    texts = ("Hi", " you")
    pieces = [{"choices": [{"index": 0, name: text if name == "text" else {"content": text}}]} for text in texts]

    assert chat(*pieces, STOP, DONE).said.text == "Hi you"


def test_a_message_that_repeats_all_deltas_is_not_said_twice() -> None:
    """https://docs.perplexity.ai/guides/streaming: a chunk holds the delta and, beside it, the message so far."""
    whole = {"role": "assistant", "content": "Hi you"}
    last = {"choices": [{"index": 0, "message": whole, "finish_reason": "stop"}]}

    assert chat(choice({"content": "Hi"}, message=whole), choice({"content": " you"}), last, DONE).said.text == "Hi you"


def test_usage_may_stand_in_a_choice_or_in_x_groq() -> None:
    """https://github.com/northes/go-moonshot/issues/17, https://github.com/vercel/ai/issues/1651"""
    counted = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
    expected = chat_pb2.Usage(prompt_tokens=9, completion_tokens=6)
    text = choice({"content": "Hi"})
    assert chat(text, choice({}, "stop", usage=counted), DONE).usage == expected
    assert chat(text, STOP | {"x_groq": {"id": "r", "usage": counted}}, DONE).usage == expected


MISTRAL = "https://docs.mistral.ai/capabilities/reasoning"
DELTAS = {
    f"thinking as parts, {MISTRAL}": (
        [{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]}, {"content": "Four"}],
        "Hm.",
    ),
    "thinking as text": ([{"content": [{"type": "thinking", "thinking": "Hm."}]}, {"content": "Four"}], "Hm."),
    "text as parts": ([{"content": [{"type": "text", "text": "Fo"}]}, {"content": [{"text": "ur"}]}], ""),
    "text as one part": ([{"content": {"type": "text", "text": "Four"}}], ""),
    "parts that are text": ([{"content": ["Fo", "ur"]}], ""),
    "no part": ([{"role": "assistant", "content": []}, {"content": "Four"}], ""),
    "references and images between, https://docs.mistral.ai/capabilities/citations": (
        [
            {"content": [{"type": "text", "text": "Fo"}, {"type": "reference", "reference_ids": [1]}]},
            {"content": [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "ur"}]},
        ],
        "",
    ),
    "reasoning_details, https://openrouter.ai/docs/use-cases/reasoning-tokens": (
        [
            {"content": "", "reasoning_details": [{"type": "reasoning.text", "text": "H"}]},
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "m."}]},
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "c2VjcmV0"}]},
            {"content": "Four"},
        ],
        "Hm.",
    ),
    "reasoning told twice": (
        [{"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]}, {"content": "Four"}],
        "Hm.",
    ),
    "reasoning as an object": ([{"reasoning": {"content": "Hm."}}, {"content": "Four"}], "Hm."),
    "nulls everywhere": (
        [{"role": None, "content": None, "refusal": None, "tool_calls": None, "reasoning": None}, {"content": "Four"}],
        "",
    ),
}


@pytest.mark.parametrize(("deltas", "thought"), DELTAS.values(), ids=DELTAS)
def test_content_is_read_in_every_form_it_comes_in(deltas: Iterable[object], thought: str) -> None:
    """https://github.com/BerriAI/litellm/issues/16272, https://github.com/vercel/ai/issues/8072"""
    found = chat(*map(choice, deltas), STOP, DONE)

    assert (found.said.text, found.said.reasoning) == ("Four", thought)


@pytest.mark.parametrize("content", [None, "", [], [{"type": "refusal", "refusal": ""}]])
def test_a_refusal_without_content_is_a_refusal(content: object) -> None:
    """https://platform.openai.com/docs/api-reference/chat-streaming/streaming, `delta.refusal`"""
    found = chat(choice({"content": content, "refusal": "I cannot."}), STOP, DONE)

    assert found.said.text == "I cannot."
    assert found.finished is not None
    assert found.finished.finish_reason == chat_pb2.FINISH_REASON_CONTENT_FILTER


@pytest.mark.parametrize("end", ["[DONE]", " [DONE] ", "[DONE]\r", '"[DONE]"'])
def test_the_end_marker_is_known_in_every_form(end: str) -> None:
    """https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream"""
    assert chat(choice({"content": "Hi"}), STOP, end, choice({"content": "more"})).said.text == "Hi"


def test_a_finish_reason_that_text_follows_is_not_taken_for_the_end() -> None:
    with pytest.raises(ProviderError, match="end marker"):
        chat(choice({"content": "Hi"}, "stop"), choice({"content": " you"}, "stop"))
    assert chat(choice({"content": "Hi"}, "stop"), choice({"content": " you"}, "stop"), DONE).said.text == "Hi you"


GROQ = "https://github.com/groq/groq-python/blob/main/src/groq/types/chat/chat_completion_chunk.py"
MINIMAX = "https://platform.minimax.io/docs/api-reference/errorcode"
FASTCHAT = "https://github.com/lm-sys/FastChat/blob/main/fastchat/serve/openai_api_server.py"
ERRORS = {
    "without choices": {"code": "rate_limit_exceeded", "message": "slow down"},
    "as a type": {"type": "error", "message": "slow down"},
    f"with a code, {FASTCHAT}": {"text": "slow down", "error_code": 50001},
    "as a detail": {"detail": "slow down"},
    "in a choice": {"choices": [{"index": 0, "delta": {}, "error": {"code": 502, "message": "slow down"}}]},
    f"in x_groq, {GROQ}": {"choices": [], "x_groq": {"id": "r", "error": "slow down"}},
    f"in base_resp, {MINIMAX}": {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "slow down"}},
}


@pytest.mark.parametrize("event", ERRORS.values(), ids=ERRORS)
def test_an_error_is_known_in_every_form(event: object) -> None:
    with pytest.raises(ProviderError) as failure:
        chat(choice({"content": "Hi"}), event, STOP, DONE)
    assert failure.value.message.startswith("the provider failed while it answered")


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


ANTHROPIC_EVENTS: dict[str, list[dict[str, Any]]] = {
    "nulls": [
        {"type": "message_start", "message": None},
        {"type": "content_block_start", "index": None, "content_block": {"type": "text", "text": None}},
        {"type": "content_block_delta", "index": None, "delta": {"type": "text_delta", "text": None}},
        {"type": "message_delta", "delta": None, "usage": None},
    ],
    "unknown blocks": [
        {"type": "content_block_start", "index": 5, "content_block": {"type": "web_search_tool_result", "content": []}},
        {"type": "content_block_delta", "index": 5, "delta": {"type": "citations_delta", "citation": {}}},
        {"type": "content_block_delta", "index": 6, "delta": {"type": "compaction_delta", "content": "x"}},
    ],
    "no message": [{"type": "message_start"}],
}


@pytest.mark.parametrize("events", ANTHROPIC_EVENTS.values(), ids=ANTHROPIC_EVENTS)
def test_a_message_is_read_past_what_it_lacks(events: list[dict[str, Any]]) -> None:
    """https://docs.anthropic.com/en/docs/build-with-claude/streaming; https://github.com/earendil-works/pi/issues/6567"""
    assert said("anthropic", *events) == "Hi you"


ANTHROPIC_CALL = {
    "type": "content_block_start",
    "index": 1,
    "content_block": {"type": "tool_use", "id": "t", "name": "f"},
}
ANTHROPIC_CALLED = [{"type": "message_delta", "delta": {"stop_reason": "tool_use"}}, {"type": "message_stop"}]


def json_piece(text: str, **fields: object) -> dict[str, Any]:
    return {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": text}} | fields


def test_arguments_without_an_index_belong_to_the_call_that_is_told() -> None:
    """https://docs.anthropic.com/en/docs/build-with-claude/streaming, with an index that bridges leave out."""
    [call] = read(
        MessagesAnswer(), [body(ANTHROPIC_CALL, json_piece('{"k":'), json_piece("1}", index=None), *ANTHROPIC_CALLED)]
    ).said.tool_calls
    assert call.arguments_json == '{"k":1}'


def test_the_provider_may_call_tools_of_its_own_beside_ours() -> None:
    """microsoft/agent-framework#5050, langchain-ai/langchainjs#10013: all under one index, or under their own."""
    own = {"type": "content_block_start", "index": 1, "content_block": {"type": "server_tool_use", "id": "s"}}
    events = [ANTHROPIC_CALL, json_piece('{"k":1}', index=1), own, json_piece('{"q":2}', index=1)]
    [call] = read(MessagesAnswer(), [body(*events, *ANTHROPIC_CALLED)]).said.tool_calls
    assert call.arguments_json == '{"k":1}'


def test_arguments_of_no_call_are_not_lost() -> None:
    with pytest.raises(ProviderError, match="had not begun"):
        read(MessagesAnswer(), [body(json_piece('{"k":1}', index=1), ANTHROPIC_CALL, *ANTHROPIC_CALLED)])


GEMINI_CALL = {"functionCall": {"id": "a", "name": "f", "args": {"k": 1}}}


def gemini_calls(*calls: dict[str, Any]) -> list[str]:
    chunks = [{"candidates": [{"content": {"parts": [call]}}]} for call in calls]
    found = read(GenerateContentAnswer(), [body(*chunks, {"candidates": [{"finishReason": "STOP"}]})])
    return [call.arguments_json for call in found.said.tool_calls]


def test_a_call_that_a_later_chunk_repeats_is_one() -> None:
    """https://ai.google.dev/api/caching#FunctionCall: an id is of one call; tashfeenahmed/freellmapi#1007."""
    other = {"functionCall": {"id": "b", "name": "f", "args": {"k": 1}}}
    assert gemini_calls(GEMINI_CALL, GEMINI_CALL, other) == ['{"k":1}', '{"k":1}']


@pytest.mark.parametrize("args", ["door", '{"k": "do', ["door"], 5])
def test_arguments_that_are_no_object_are_not_left_out(args: object) -> None:
    """https://ai.google.dev/api/caching#FunctionCall: `args` is a Struct."""
    with pytest.raises(ProviderError, match="no object in its call to f"):
        gemini_calls({"functionCall": {"name": "f", "args": args}})


@pytest.mark.parametrize("args", [None, "", "null", "{}", [], {}])
def test_a_call_without_arguments_has_an_empty_object(args: object) -> None:
    assert gemini_calls({"functionCall": {"name": "f", "args": args}}) == ["{}"]


@pytest.mark.parametrize(
    ("native", "reason"), [("MAX_TOKENS", "LENGTH"), ("refusal", "CONTENT_FILTER"), ("STOP", "STOP")]
)
def test_what_the_server_behind_says_of_the_end_is_not_hidden_by_stop(native: str, reason: str) -> None:
    """https://openrouter.ai/docs/api-reference/overview#finish-reason; CherryHQ/cherry-studio#16079."""
    found = chat(choice({"content": "Hi"}), choice({}, "stop", native_finish_reason=native), DONE)
    assert found.finished is not None
    assert found.finished.finish_reason == chat_pb2.FinishReason.Value(f"FINISH_REASON_{reason}")


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


def test_openais_end_marker_may_end_a_message() -> None:
    assert read(MessagesAnswer(), [body(*block("Hi"), MESSAGE_END[0], DONE)]).said.text == "Hi"
    with pytest.raises(ProviderError):
        read(MessagesAnswer(), [body(*block("Hi"), DONE)])


@pytest.mark.parametrize("kind", FORMATS)
def test_an_event_named_error_fails_the_answer(kind: str) -> None:
    """open-octo/octo-agent#910: errors behind a status of 200."""
    reader, says, ends = FORMATS[kind]
    with pytest.raises(ProviderError, match="upstream died"):
        read(reader(), [body(*says("Hi")), b"event: error\n" + body({"message": "upstream died"}), body(*ends)])


def test_thinking_may_grow_before_it_began() -> None:
    events = [{"type": "content_block_delta", "index": 3, "delta": {"type": "thinking_delta", "thinking": "Hm."}}]
    found = read(MessagesAnswer(), [body(*events, *block("Four"), *MESSAGE_END)])

    assert (found.said.text, found.said.reasoning) == ("Four", "Hm.")


@pytest.mark.parametrize(
    "event",
    [
        {"candidates": None},
        {"candidates": [{"index": 0, "content": None}]},
        {"candidates": [{"content": {"parts": None}}]},
        {"candidates": [{"content": {"parts": [{"text": None}, None, {"executableCode": {"code": "1"}}]}}]},
        {"usageMetadata": {"totalTokenCount": 5}},
        [{"usageMetadata": None}],
    ],
)
def test_a_candidate_is_read_past_what_it_lacks(event: object) -> None:
    """https://ai.google.dev/api/generate-content#v1beta.Candidate: every field is optional."""
    assert said("gemini", event) == "Hi you"


def test_a_candidate_of_nothing_behind_the_last_is_not_the_last() -> None:
    found = read(GenerateContentAnswer(), [body(part("Hi", finishReason="STOP"), {"candidates": [{"index": 0}]})])
    assert found.said.text == "Hi"


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


def test_a_text_may_hold_a_character_of_nothing() -> None:
    assert chat(choice({"content": "a\0b"}), STOP, DONE).said.text == "a\0b"


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
