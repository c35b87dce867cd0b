"""Candidates that are not as Google describes them, and still say what is meant."""

from typing import Any

import pytest
from tests.router.events import body, part, said
from tests.router.recorded import read

from weft_router.providers.gemini.answer import GenerateContentAnswer
from weft_router.providers.provider import ProviderError

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
