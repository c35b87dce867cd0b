"""Messages are counted before they are made, and only where there may be too many."""

import asyncio
import random

import pytest
from tests.support.cost import cost_of
from tests.support.descriptors import KINDS

from weft.common.v1 import chat_pb2
from weft.gateway.v1 import gateway_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft_client.requests import chat
from weft_kit.requests.message_count import (
    SMALL_BYTES,
    check_count,
    counts,
    kind_of,
)
from weft_kit.rpc.errors import InvalidFields

SUBMIT = gateway_pb2.SubmitJobRequest


def submit(*messages: chat_pb2.Message) -> bytes:
    request = chat("hello")
    request.messages.extend(messages)
    return SUBMIT(request=request).SerializeToString()


async def test_megabytes_of_empty_messages_are_refused_before_they_are_made() -> None:
    encoded = submit(*[chat_pb2.Message()] * 500_000)
    with pytest.raises(InvalidFields, match="must not hold more than"):
        await check_count(encoded, SUBMIT)


async def test_others_are_served_many_times_while_messages_are_counted() -> None:
    counting = asyncio.create_task(check_count(submit(*[chat_pb2.Message(role=chat_pb2.ROLE_USER)] * 20_000), SUBMIT))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not counting.done()
    await counting


async def test_many_messages_that_say_something_are_let_through() -> None:
    part = chat_pb2.ContentPart(text="What is the mooring fee, and who collects it when the harbour master is away?")
    encoded = submit(*[chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[part])] * 4_096)
    assert len(encoded) > SMALL_BYTES
    await check_count(encoded, SUBMIT)


async def test_one_long_text_is_one_message() -> None:
    document = retrieval_pb2.Document(content=b"\x12\x00" * 2_000_000)
    ingest = retrieval_pb2.IngestRequest(document=document)
    await check_count(ingest.SerializeToString(), retrieval_pb2.IngestRequest)


def test_every_message_is_counted_at_any_depth() -> None:
    inner = chat_pb2.Message(parts=[chat_pb2.ContentPart(text="a"), chat_pb2.ContentPart()])
    one = SUBMIT(request=chat("hello", labels={"team": "search"}))
    one.request.messages.extend([inner, inner])
    single = [field for field, _ in one.request.ListFields() if field.message_type and not field.is_repeated]
    expected = 1 + len(single) + 3 + 5 + 1  # the request, what it has one of, messages, their parts, a label
    assert [*counts(one.SerializeToString(), SUBMIT.DESCRIPTOR)][-1] == expected
    three = gateway_pb2.SubmitJobsRequest(requests=[one] * 3)
    assert [*counts(three.SerializeToString(), three.DESCRIPTOR)][-1] == 3 * (expected + 1)


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_the_bytes_are_counting_ends(seed: int) -> None:
    noise = random.Random(seed)
    cut = bytearray(submit(*[chat_pb2.Message(role=chat_pb2.ROLE_USER)] * 20_000))
    for _ in range(20):
        cut[noise.randrange(len(cut))] = noise.randrange(256)
    for encoded in (noise.randbytes(2 * SMALL_BYTES), b"\xff" * 2 * SMALL_BYTES, bytes(cut)):
        for kind in noise.sample([*KINDS.values()], 3):
            assert [*counts(encoded, kind)][-1] <= len(encoded)


async def test_twice_the_messages_cost_about_twice_as_much_to_count() -> None:
    def cost(count: int) -> float:
        encoded = submit(*[chat_pb2.Message()] * count)
        return cost_of(lambda: [*counts(encoded, SUBMIT.DESCRIPTOR)])

    assert cost(50_000) < 4 * cost(25_000)


def test_the_kind_is_known_from_the_generated_deserializer() -> None:
    assert kind_of(SUBMIT.FromString) is SUBMIT
    assert kind_of(None) is None
    assert kind_of(bytes) is None
