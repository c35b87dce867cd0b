"""When the inference service is left alone: where it fails or says nothing, not where it has much to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.cache.inference.played_inference import PlayedInference, playing

from weft_cache.inference.client import InferenceClient
from weft_cache.inference.embedder import InferenceEmbedder
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.context import CallContext, bound
from weft_kit.rpc.errors import (
    DeadlineExceeded,
    DependencyDown,
    Draining,
    Internal,
    Overloaded,
)

TIMES = 4  # one more than a breaker bears
SOON_S = 0.2


@pytest.fixture
async def inference() -> AsyncIterator[PlayedInference]:
    async with playing() as played:
        yield played


@asynccontextmanager
async def embedding(inference: PlayedInference, silence_s: float = 60.0) -> AsyncIterator[InferenceEmbedder]:
    async with Channel(inference.target, "inference") as channel:
        yield InferenceEmbedder(InferenceClient(channel, 20.0, silence_s, rest_s=60.0), remembered=0)


async def late(embedder: InferenceEmbedder, text: str) -> None:
    """Asks for what is held back, by a caller with little time."""
    deadline = asyncio.get_running_loop().time() + SOON_S
    with bound(CallContext(tenant="acme", deadline=deadline)), pytest.raises(DeadlineExceeded):
        await embedder.embed("acme", text)


async def is_asked(embedder: InferenceEmbedder) -> bool:
    with bound(CallContext(tenant="acme")):
        return await embedder.embed("acme", "at once") is not None


async def test_answers_that_come_too_late_for_their_callers_shut_nobody_out(inference):
    async with embedding(inference) as embedder:
        for number in range(TIMES):
            await late(embedder, f"wait {number}")
        assert await is_asked(embedder)


async def test_refusals_for_too_much_that_waits_shut_nobody_out(inference):
    inference.fails_with = [Overloaded("too much waits; retry later", 1.0) for _ in range(TIMES)]
    async with embedding(inference) as embedder:
        for _ in range(TIMES):
            with pytest.raises(Overloaded) as refused:
                await is_asked(embedder)
            assert refused.value.retry_after_s == 1.0
        assert await is_asked(embedder)


@pytest.mark.parametrize("failure", [Internal("id"), Draining(), DependencyDown("engine", "it is away")])
async def test_a_service_that_fails_several_in_a_row_is_left_alone(inference, failure):
    inference.fails_with = [failure] * (TIMES - 1)
    async with embedding(inference) as embedder:
        for _ in range(TIMES - 1):
            assert not await is_asked(embedder)
        assert not await is_asked(embedder)
    assert inference.asked.qsize() == TIMES - 1


async def test_a_service_that_cannot_be_reached_is_left_alone():
    async with Channel("127.0.0.1:1", "inference") as channel:
        guard = InferenceClient(channel, 20.0, 60.0, rest_s=60.0)
        embedder = InferenceEmbedder(guard, remembered=0)
        for _ in range(TIMES):
            assert not await is_asked(embedder)
        called = []
        assert await guard.ask(lambda *_, **__: called.append(1), None) is None
        assert not called


async def test_a_service_that_says_nothing_any_more_is_left_alone(inference):
    async with embedding(inference, silence_s=SOON_S / 2) as embedder:
        await late(embedder, "wait")
        assert not await is_asked(embedder)
    assert inference.asked.qsize() == 1


async def test_late_answers_of_a_service_that_answers_others_shut_nobody_out(inference):
    async with embedding(inference, silence_s=SOON_S / 2) as embedder:
        for number in range(TIMES):
            waiting = asyncio.create_task(late(embedder, f"wait {number}"))
            while not waiting.done():
                assert await is_asked(embedder)


async def test_a_call_lasts_no_longer_than_its_caller_and_has_a_limit_without_one(inference):
    async with embedding(inference) as embedder:
        with bound(CallContext(tenant="acme", deadline=asyncio.get_running_loop().time() + 5.0)):
            await embedder.embed("acme", "within five seconds")
        with bound(CallContext(tenant="acme")):
            await embedder.embed("acme", "within the limit")
    assert 0 < inference.left_s[0] < 5.0
    assert 5.0 < inference.left_s[1] < 25.0  # gRPC rounds


async def test_those_who_ask_for_one_text_at_once_share_its_embedding_but_not_with_another_tenant(inference):
    async with embedding(inference) as embedder:

        async def embed(tenant: str) -> object:
            with bound(CallContext(tenant=tenant)):
                return await embedder.embed(tenant, "wait for it")

        calls = [asyncio.create_task(embed(tenant)) for tenant in ("acme", "other", "acme", "acme")]
        tenants = {(await inference.asked.get())[0] for _ in range(2)}
        inference.goes_on.set()
        assert None not in await asyncio.gather(*calls)
    assert tenants == {"acme", "other"}
    assert inference.asked.empty()
