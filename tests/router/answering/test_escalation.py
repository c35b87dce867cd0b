"""When a cheap answer is not good enough."""

import pytest

from weft.job.v1 import event_pb2
from weft_kit.catalog.routing import Escalation
from weft_router.answering.escalation import shortcoming
from weft_router.job.transcript import AnswerSoFar
from weft_router.validation.response_format import FormatFault

RULE = Escalation(to="big", shorter_than=10, refusals=(r"^i (can't|cannot)\b",))
OFF = FormatFault("is off its JSON schema: ...")


def said(text: str) -> AnswerSoFar:
    transcript = AnswerSoFar()
    transcript.add(event_pb2.Delta(text=text, token_count=1))
    return transcript


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Paris is the capital of France.", None),
        ("Paris.", "shorter than 10 characters"),
        ("  \n  Paris.   ", "shorter than 10 characters"),
        ("I cannot help with that, sadly.", "a refusal"),
        ("Of course I cannot know for sure.", None),
    ],
)
def test_an_answer_is_judged_by_length_and_refusal(text: str, why: str | None) -> None:
    assert shortcoming(RULE, said(text)) == why


def test_an_answer_off_the_form_it_was_asked_for_is_not_good_enough() -> None:
    assert shortcoming(RULE, said('{"town": "Paris"}'), OFF) == "not of its form: it is off its JSON schema: ..."


def test_a_call_of_a_tool_may_stand() -> None:
    calling = AnswerSoFar()
    calling.add(event_pb2.Delta(tool_calls=[event_pb2.ToolCallDelta(name="f", arguments_json="{}")]))

    assert shortcoming(RULE, calling, OFF) is None
