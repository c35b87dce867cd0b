"""Answers in the format of OpenAI's Responses, without a network: texts, calls, and how they end.

Their events are those of platform.openai.com/docs/api-reference/responses-streaming.
"""

import json
from typing import Any

import pytest
from tests.router.recorded import read

from weft.common.v1 import chat_pb2, error_pb2
from weft_router.providers.finish_reasons import is_failure
from weft_router.providers.openai.responses_answer import ResponsesAnswer
from weft_router.providers.provider import ProviderError


@pytest.mark.parametrize(
    "data",
    [
        '{"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": null}',
        '{"type": "error", "error": {"type": "x", "code": "rate_limit_exceeded", "message": "slow down"}}',
        '{"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "slow down"}}}',
    ],
)
def test_a_failure_inside_a_stream_says_why(data: str) -> None:
    with pytest.raises(ProviderError) as failure:
        ResponsesAnswer().read(data)

    assert failure.value.reason == error_pb2.ERROR_REASON_PROVIDER_OVERLOADED
    assert "slow down" in failure.value.message


def event(kind: str, **fields: Any) -> bytes:
    return b"data: " + json.dumps({"type": f"response.{kind}"} | fields).encode() + b"\n\n"


def item(kind: str, place: int, **fields: Any) -> bytes:
    return event(f"output_item.{kind}", output_index=place, item={"type": "function_call"} | fields)


def piece(place: int, delta: Any) -> bytes:
    return event("function_call_arguments.delta", output_index=place, delta=delta)


def whole(place: int, arguments: Any) -> bytes:
    return event("function_call_arguments.done", output_index=place, arguments=arguments)


DOOR = '{"k": "door"}'
BEGUN = item("added", 0, id="f", call_id="c", name="lookup", arguments="")
DONE = item("done", 0, id="f", call_id="c", name="lookup", arguments=DOOR)
OVER = event("completed", response={"status": "completed"})


CALL = {"type": "function_call", "id": "f", "call_id": "c", "name": "lookup"}
OF_ITEM = [
    event("function_call_arguments.delta", item_id="f", delta=DOOR),
    event("function_call_arguments.done", item_id="f", arguments=DOOR),
]


ONE = {
    "pieces": [BEGUN, piece(0, '{"k": '), piece(0, '"door"}'), whole(0, DOOR), DONE, OVER],
    # BerriAI/litellm#27144, Wei-Shaw/sub2api#6629: nothing but the event that ends the arguments
    "arguments when they are done": [BEGUN, whole(0, DOOR), item("done", 0, call_id="c", name="lookup"), OVER],
    "arguments when the call is done": [BEGUN, DONE, OVER],
    # BerriAI/litellm#39288: an empty piece first
    "empty pieces and arguments at the end": [BEGUN, piece(0, ""), piece(0, ""), whole(0, DOOR), DONE, OVER],
    # anomalyco/opencode#44862: only the suffix is missing
    "more at the end than in pieces": [BEGUN, piece(0, '{"k": '), whole(0, DOOR), DONE, OVER],
    "the same, spaced otherwise": [BEGUN, piece(0, DOOR), whole(0, '{"k":"door"}'), OVER],
    "arguments as an object": [BEGUN, whole(0, json.loads(DOOR)), OVER],
    "no beginning": [DONE, OVER],
    # lidge-jun/opencodex#4652: the name in the event that ends the arguments, and no item
    "no item": [
        piece(0, '{"k": '),
        event("function_call_arguments.done", output_index=0, arguments=DOOR, name="lookup"),
        OVER,
    ],
    "nothing but the end of its arguments": [
        event("function_call_arguments.done", arguments=DOOR, name="lookup"),
        OVER,
    ],
    # lemonade-sdk/lemonade#3607: no places; others have them in some events alone
    "its place at the beginning alone": [BEGUN, *OF_ITEM, DONE, OVER],
    "no place": [event("output_item.added", item=CALL), *OF_ITEM, event("output_item.done", item=CALL), OVER],
    "by its id": [
        event("output_item.added", item=CALL),
        event("function_call_arguments.delta", call_id="c", delta=DOOR),
        OVER,
    ],
    "no names at all": [BEGUN, event("function_call_arguments.delta", delta=DOOR), OVER],
    "all so far with each piece": [BEGUN, piece(0, '{"k'), piece(0, '{"k": "d'), piece(0, DOOR), whole(0, DOOR), OVER],
    "no name at the beginning": [item("added", 0, call_id="c"), piece(0, DOOR), DONE, OVER],
    # NVIDIA-NeMo/Switchyard#777: all of it in the last event alone
    "nothing but the end": [
        event(
            "completed",
            response={
                "status": "completed",
                "output": [
                    {"type": "reasoning"},
                    {"type": "function_call", "call_id": "c", "name": "lookup", "arguments": DOOR},
                ],
            },
        )
    ],
}


@pytest.mark.parametrize("how", ONE)
def test_a_call_is_one_however_often_its_arguments_are_told(how: str) -> None:
    [call] = read(ResponsesAnswer(), ONE[how]).said.tool_calls
    assert (call.name, json.loads(call.arguments_json)) == ("lookup", {"k": "door"})


@pytest.mark.parametrize(
    ("places", "ids"),
    [
        ((0, 1), ("a", "b")),
        ((0, 1), ("", "")),
        ((0, 1), ("a", "a")),
        ((0, 0), ("a", "b")),  # mcowger/plexus#691: bridges that number every call alike
    ],
)
def test_two_calls_are_two(places: tuple[int, int], ids: tuple[str, str]) -> None:
    events = []
    for place, call_id, arguments in zip(places, ids, (DOOR, "{}"), strict=True):
        events += [item("added", place, call_id=call_id, name="lookup"), piece(place, arguments)]
        events += [item("done", place, call_id=call_id, name="lookup", arguments=arguments)]
    first, second = read(ResponsesAnswer(), [*events, OVER]).said.tool_calls
    assert (first.arguments_json, second.arguments_json) == (DOOR, "{}")
    assert first.id != second.id


def test_calls_in_turns_are_told_apart_by_their_items_where_their_places_are_alike() -> None:
    begun = [item("added", 0, id=one, call_id=one, name="lookup") for one in "ab"]
    told = [
        event("function_call_arguments.delta", output_index=0, item_id=one, delta=arguments)
        for one, arguments in (("a", '{"k": '), ("b", "{"), ("a", '"door"}'), ("b", "}"))
    ]
    calls = read(ResponsesAnswer(), [*begun, *told, OVER]).said.tool_calls
    assert [(call.id, call.arguments_json) for call in calls] == [("a", DOOR), ("b", "{}")]


def test_a_call_that_was_told_without_an_id_is_not_another_at_the_end() -> None:
    output = [{"type": "function_call", "call_id": "c", "name": "lookup", "arguments": DOOR}]
    events = [item("added", 0, name="lookup"), piece(0, DOOR), event("completed", response={"output": output})]
    [call] = read(ResponsesAnswer(), events).said.tool_calls
    assert call.arguments_json == DOOR


def test_halves_of_a_character_are_whole_where_arguments_are_told_again() -> None:
    whole_text = '{"k": "😀"}'
    halves = [piece(0, "FIRST").replace(b"FIRST", half) for half in (rb"{\"k\": \"\ud83d", rb"\ude00\"}")]
    [call] = read(ResponsesAnswer(), [BEGUN, *halves, whole(0, whole_text), OVER]).said.tool_calls
    assert call.arguments_json == whole_text


SAID = {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
REFUSED = {"type": "message", "content": [{"type": "refusal", "refusal": "Hi"}]}
TEXTS = [event("output_text.delta", delta="Hi"), event("output_text.done", text="Hi")]
TEXTS += [event("content_part.done", part=SAID["content"][0]), event("output_item.done", item=SAID)]
TEXTS += [event("completed", response={"status": "completed", "output": [SAID]})]
REFUSALS = [event("refusal.delta", delta="Hi"), event("refusal.done", refusal="Hi")]
REFUSALS += [event("content_part.done", part=REFUSED["content"][0]), event("output_item.done", item=REFUSED)]
REFUSALS += [event("completed", response={"status": "completed", "output": [REFUSED]})]


@pytest.mark.parametrize("left_out", range(5))
def test_a_text_is_told_once_whichever_events_tell_it(left_out: int) -> None:
    """Sophomoresty/gemini-web2api#57, agentgateway/agentgateway#2281, vllm-project/vllm#30223."""
    thought = event("reasoning_summary_text.delta", delta="Hm.")
    for events, reason in ((TEXTS, chat_pb2.FINISH_REASON_STOP), (REFUSALS, chat_pb2.FINISH_REASON_CONTENT_FILTER)):
        for told in (events[left_out:], events[left_out : left_out + 1]):
            found = read(ResponsesAnswer(), [thought, *told, *([] if events[-1] in told else [OVER])])
            assert (found.said.text, found.said.reasoning) == ("Hi", "Hm.")
            assert found.finished is not None
            assert found.finished.finish_reason == reason


def test_text_beside_a_call_may_stand_at_the_end_alone() -> None:
    """NVIDIA-NeMo/Switchyard#777."""
    events = [BEGUN, piece(0, DOOR), DONE, event("completed", response={"output": [SAID, CALL | {"arguments": DOOR}]})]
    found = read(ResponsesAnswer(), events)
    assert (found.said.text, len(found.said.tool_calls)) == ("Hi", 1)


def test_arguments_that_end_as_others_than_they_came_are_a_failure() -> None:
    with pytest.raises(ProviderError, match="lookup twice"):
        read(ResponsesAnswer(), [BEGUN, piece(0, '{"k": "lamp"}'), whole(0, DOOR), OVER])


@pytest.mark.parametrize(
    ("kind", "response", "reason", "word"),
    [
        ("completed", {"status": "completed"}, chat_pb2.FINISH_REASON_STOP, "completed"),
        ("completed", {}, chat_pb2.FINISH_REASON_STOP, "completed"),
        ("completed", {"status": "in_progress"}, chat_pb2.FINISH_REASON_STOP, "completed"),
        (
            "incomplete",
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            chat_pb2.FINISH_REASON_LENGTH,
            "max_output_tokens",
        ),
        (
            "incomplete",
            {"incomplete_details": {"reason": "content_filter"}},
            chat_pb2.FINISH_REASON_CONTENT_FILTER,
            "content_filter",
        ),
        ("incomplete", {"incomplete_details": None}, chat_pb2.FINISH_REASON_UNSPECIFIED, "incomplete"),
        (
            "incomplete",
            {"incomplete_details": {"reason": "max_tool_calls"}},
            chat_pb2.FINISH_REASON_UNSPECIFIED,
            "incomplete: max_tool_calls",
        ),
        # BerriAI/litellm#37710: only the details say so
        (
            "completed",
            {"status": "completed", "incomplete_details": {"reason": "max_output_tokens"}},
            chat_pb2.FINISH_REASON_LENGTH,
            "max_output_tokens",
        ),
        ("completed", {"incomplete_details": {"reason": None}}, chat_pb2.FINISH_REASON_STOP, "completed"),
        ("completed", {"status": "cancelled"}, chat_pb2.FINISH_REASON_UNSPECIFIED, "cancelled"),
        ("cancelled", {"status": "cancelled"}, chat_pb2.FINISH_REASON_UNSPECIFIED, "cancelled"),
        ("completed", {"status": "failed"}, chat_pb2.FINISH_REASON_UNSPECIFIED, "failed"),
    ],
)
def test_an_answer_ends_as_its_status_says(
    kind: str, response: dict[str, Any], reason: chat_pb2.FinishReason.ValueType, word: str
) -> None:
    finished = read(ResponsesAnswer(), [event(kind, response=response)]).finished
    assert finished is not None
    assert (finished.finish_reason, finished.raw_finish_reason) == (reason, word)
    assert is_failure(word) is (reason == chat_pb2.FINISH_REASON_UNSPECIFIED)
