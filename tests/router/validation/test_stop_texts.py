"""Stop texts, kept to by the router whoever was told them.

Providers take four (continuedev/continue#2461, langchain-ai/langchain#20234), five (BerriAI/litellm#18921,
continuedev/continue#7849), none that are blank (BerriAI/litellm#3286), none with some models
(griptape-ai/griptape#1915), or none at all: OpenAI's Responses have no such field.
"""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from tests.router.harness import Harness, asking
from tests.router.providers.http.harness import KINDS
from tests.router.scripted_server import EVENTS, Reply, ScriptedServer
from tests.support.cost import assert_linear
from tests.support.transcript import text_of

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import JobLog
from weft_router.job.transcript import AnswerSoFar
from weft_router.validation.stop_texts import StopTexts


def read(text: str, *stops: str, size: int = 1) -> tuple[str, bool]:
    """Returns what is told of a text that comes in pieces, and whether it met a stop text."""
    texts, said = StopTexts(stops), AnswerSoFar()
    for start in range(0, len(text), size):
        said.add(texts.passing(event_pb2.Delta(text=text[start : start + size], token_count=1)))
        if texts.is_met:
            return said.text, True
    said.add(texts.rest())
    assert said.token_count == len(range(0, len(text), size))
    return said.text, False


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("text", "stops", "told", "met"),
    [
        ("one two three", ("two",), "one ", True),
        ("one two three", ("four",), "one two three", False),
        ("one END", ("END",), "one ", True),
        ("ENDone", ("END",), "", True),
        ("one EN", ("END",), "one EN", False),  # a beginning that nothing follows is part of the answer
        ("aab", ("ab",), "a", True),
        ("ababac", ("abac",), "ab", True),
        ("xabc", ("abc", "b"), "xa", True),  # what is complete first
        ("xabc", ("bc", "abc"), "x", True),
        ("a\n\nb", ("\n\n",), "a", True),
        ("Zo\u00eb 十二。!", ("。",), "Zo\u00eb 十二", True),
        ("abc", (), "abc", False),
    ],
)
def test_an_answer_ends_before_the_stop_text_that_is_complete_first(
    text: str,
    stops: tuple[str, ...],
    told: str,
    met: bool,  # noqa: FBT001
    size: int,
) -> None:
    assert read(text, *stops, size=size) == (told, met)


def test_what_is_no_beginning_of_a_stop_text_is_told_at_once() -> None:
    texts = StopTexts(["END"])
    assert texts.passing(event_pb2.Delta(text="one E", token_count=2)) == event_pb2.Delta(text="one ", token_count=2)
    assert texts.passing(event_pb2.Delta(text="ver", token_count=1)) == event_pb2.Delta(text="Ever", token_count=1)


def test_reasoning_and_calls_are_not_looked_through() -> None:
    texts = StopTexts(["END"])
    delta = event_pb2.Delta(reasoning="END", tool_calls=[event_pb2.ToolCallDelta(arguments_json='"END"')])
    assert texts.passing(delta) is delta
    assert not texts.is_met


def test_long_answers_take_time_in_proportion_to_their_length() -> None:
    stops = tuple("a" * size + "b" for size in range(56, 64))
    assert_linear(lambda text: read(text, *stops, size=16), lambda size: "a" * size, 4096)


@pytest.mark.parametrize(
    ("kind", "model", "sent"),
    [
        ("openai", "gpt-4o", ["1", "2", "3", "\n"]),
        ("openai", "o3-mini", None),
        ("openai_responses", "gpt-4o", None),
        ("anthropic", "claude-sonnet-4-5", ["1", "2", "3", "5", "6", "7"]),
        ("gemini", "gemini-2.5-flash", ["1", "2", "3", "\n", "5"]),
    ],
)
def test_a_provider_is_told_as_many_as_it_takes(kind: str, model: str, sent: list[str] | None) -> None:
    entry_type, wire_format = KINDS[kind]
    entry = entry_type.model_validate({"kind": kind, "base_url": "https://provider.test/v1"})
    sampling = chat_pb2.SamplingParams(stop=["1", "2", "3", "\n", "5", "6", "7", " "])
    said = wire_format(entry).body(  # type: ignore[arg-type]
        inference_pb2.GenerateRequest(model=model, sampling=sampling)
    )
    said |= said.get("generationConfig", {})
    assert next((said[name] for name in ("stop", "stop_sequences", "stopSequences") if name in said), None) == sent


CATALOG = """
[providers.asked]
kind = "openai_responses"
base_url = "{url}"
[models.default]
routes = [{{ provider = "asked", model = "gpt-5-mini" }}]
"""


def responses(*texts: str) -> Reply:
    events = [{"type": "response.output_text.delta", "delta": text, "output_index": 0} for text in texts]
    usage = {"input_tokens": 3, "output_tokens": len(texts)}
    events.append({"type": "response.completed", "response": {"status": "completed", "usage": usage}})
    return Reply(content_type=EVENTS, body="".join(f"data: {json.dumps(event)}\n\n" for event in events).encode())


@pytest.mark.parametrize(
    ("texts", "told"), [(("One, t", "wo, thr", "ee"), "One, two"), (("One, two, th",), "One, two, th")]
)
async def test_a_job_is_over_at_a_stop_text_that_its_provider_does_not_know(
    joblog: JobLog, nats_url: str, tmp_path: Path, texts: tuple[str, ...], told: str
) -> None:
    harness = Harness(joblog, nats_url, tmp_path)
    async with ScriptedServer(responses(*texts)).running() as url:
        harness.catalog(CATALOG.format(url=url))
        async with harness.routing():
            request = asking(sampling=chat_pb2.SamplingParams(stop=[", thr"]))
            events = await harness.events(await harness.submit(request))

    done = events[-1].done
    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_SUCCEEDED, told)
    assert (done.answer.finish_reason, text_of(events)) == (chat_pb2.FINISH_REASON_STOP, told)
    assert done.answer.usage.completion_tokens > 0
    assert all(earlier.sequence < later.sequence for earlier, later in pairwise(events))
