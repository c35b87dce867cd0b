"""Nothing crosses a wall, whoever tries: requests that differ in anything but the question, through the service."""

import asyncio
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.cache.v1 import cache_pb2 as pb
from weft.common.v1 import chat_pb2, filter_pb2
from weft.job.v1 import job_pb2

QUESTION = "What is the capital of France?"
ASKED_ALIKE = "What is  the capital of France?"
OWNERS = ("acme", "acme2", "acm", "ACME", "acme:x", "*")
HOUR = 3600


def _filter(team: str) -> filter_pb2.Filter:
    equal = filter_pb2.Condition.OPERATOR_EQUAL
    values = [filter_pb2.Value(text=team)]
    return filter_pb2.Filter(condition=filter_pb2.Condition(field="metadata.team", operator=equal, values=values))


@st.composite
def places(draw) -> tuple[str, int, bytes]:
    """Where a question is asked: tenant, collection version, and a request around it."""
    request = job_pb2.GenerationRequest(model=draw(st.sampled_from(["small", "large", "small:", "*"])))
    request.cache.mode = job_pb2.CACHE_MODE_SEMANTIC
    request.sampling.temperature = draw(st.sampled_from([0.0, 0.5]))
    if system := draw(st.sampled_from(["", "Be brief.", "Be brief!"])):
        request.messages.add(role=chat_pb2.ROLE_SYSTEM, parts=[chat_pb2.ContentPart(text=system)])
    request.messages.add(role=chat_pb2.ROLE_USER, parts=[chat_pb2.ContentPart(text=QUESTION)])
    if tool := draw(st.sampled_from(["", "f", "g"])):
        request.tools.add(name=tool)
    version = 0
    if collection := draw(st.sampled_from(["", "docs", "faq"])):
        request.retrieval.collection = collection
        version = draw(st.integers(1, 2))
        if team := draw(st.sampled_from(["", "red", "blue"])):
            request.retrieval.filter.CopyFrom(_filter(team))
    return draw(st.sampled_from(OWNERS)), version, request.SerializeToString(deterministic=True)


@pytest.fixture(scope="module")
def runner():
    with asyncio.Runner() as runner:
        yield runner


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(places(), min_size=2, max_size=6))
def test_every_place_sees_the_answer_given_there_and_no_other(runner, serving, redis_url, inference_target, found):
    async def ask() -> None:
        async with serving(redis_url=redis_url, inference_target=inference_target) as client:
            await _every_place_keeps_its_own(client, sorted(found))

    runner.run(ask())


async def _every_place_keeps_its_own(client, found) -> None:
    run = uuid4().hex
    places = [(client.of(f"{run}-{owner}"), version, _read(request)) for owner, version, request in found]
    *stored, empty = enumerate(places)
    for number, (owner, version, request) in stored:
        answer = job_pb2.Answer(text=f"said at {number}", finish_reason=chat_pb2.FINISH_REASON_STOP)
        assert await owner.store(request, answer, version)
    for number, (owner, version, request) in stored:
        for text in (QUESTION, ASKED_ALIKE):
            answer = await owner.lookup(_asking(request, text), version)
            if isinstance(answer, pb.Found):
                assert answer.answer.text == f"said at {number}"
            else:
                assert text == ASKED_ALIKE
    await _is_empty(*empty[1])


async def _is_empty(owner, version, request) -> None:
    for text in (QUESTION, ASKED_ALIKE):
        missed = await owner.lookup(_asking(request, text), version)
        assert (missed.reason, missed.best_similarity) == (pb.Missed.REASON_NOT_STORED, 0)


def _read(request: bytes) -> job_pb2.GenerationRequest:
    return job_pb2.GenerationRequest.FromString(request)


def _asking(request: job_pb2.GenerationRequest, text: str) -> job_pb2.GenerationRequest:
    asked = job_pb2.GenerationRequest()
    asked.CopyFrom(request)
    asked.messages[-1].parts[0].text = text
    return asked
