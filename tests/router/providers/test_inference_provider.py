"""The inference adapter against a real gRPC server."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.router.harness import user
from tests.router.services import USAGE, Engine

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.errors import (
    Draining,
    InvalidFields,
    Overloaded,
    Unsupported,
    WeftError,
)
from weft_router.providers.inference import InferenceProvider
from weft_router.providers.provider import ProviderError, Remedy, Step

REQUEST = inference_pb2.GenerateRequest(messages=[user("Hello?")])


@pytest.fixture
def engine() -> Engine:
    return Engine("One ", "two.")


@pytest.fixture
async def provider(engine: Engine) -> AsyncIterator[InferenceProvider]:
    async with engine.running() as target, Channel(target, "engine") as channel:
        yield InferenceProvider(channel)


async def steps_of(provider: InferenceProvider) -> list[Step]:
    async with provider.stream(REQUEST, 5) as steps:
        return [step async for step in steps]


async def test_an_answer_comes_with_its_model_its_tokens_and_its_end(provider: InferenceProvider) -> None:
    assert await steps_of(provider) == [
        inference_pb2.Admitted(model="tiny-engine-model"),
        event_pb2.Delta(text="One ", token_count=1),
        event_pb2.Delta(text="two.", token_count=1),
        inference_pb2.Finished(finish_reason=chat_pb2.FINISH_REASON_STOP, usage=USAGE),
    ]


async def test_a_stream_without_its_end_marker_is_a_failure(provider: InferenceProvider, engine: Engine) -> None:
    engine.leaves_out_the_end = True

    with pytest.raises(ProviderError) as failure:
        await steps_of(provider)

    assert failure.value.reason == error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN


@pytest.mark.parametrize(
    ("error", "reason", "remedy"),
    [
        (Overloaded("every slot is taken", 0.5), error_pb2.ERROR_REASON_PROVIDER_OVERLOADED, Remedy.ANOTHER_TRY),
        (Draining(), error_pb2.ERROR_REASON_PROVIDER_OVERLOADED, Remedy.ANOTHER_REPLICA),
        (InvalidFields({"model": "no"}), error_pb2.ERROR_REASON_PROVIDER_REJECTED, Remedy.NEXT_ROUTE),
        (Unsupported("tools", "no"), error_pb2.ERROR_REASON_PROVIDER_REJECTED, Remedy.ANOTHER_PROVIDER),
        (
            WeftError(error_pb2.ERROR_REASON_PROVIDER_ERROR, "vLLM gave up: its finish reason is abort"),
            error_pb2.ERROR_REASON_PROVIDER_ERROR,
            Remedy.ANOTHER_TRY,
        ),
    ],
)
async def test_each_refusal_says_what_may_help(
    provider: InferenceProvider, engine: Engine, error: WeftError, reason: int, remedy: Remedy
) -> None:
    engine.fails = error

    with pytest.raises(ProviderError) as failure:
        await steps_of(provider)

    assert (failure.value.reason, failure.value.remedy) == (reason, remedy)
    assert failure.value.retry_after_s == pytest.approx(error.retry_after_s)
    assert failure.value.message == error.message


async def test_nobody_listening_is_unreachable() -> None:
    async with Channel("127.0.0.1:1", "engine") as channel:
        with pytest.raises(ProviderError) as failure:
            await steps_of(InferenceProvider(channel))

    assert failure.value.reason == error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE


async def test_leaving_a_stream_stops_the_engine(provider: InferenceProvider, engine: Engine) -> None:
    engine.hangs = True
    async with provider.stream(REQUEST, 30) as steps:
        await anext(steps)

    async with asyncio.timeout(5):
        await engine.aborted.wait()


async def test_the_engine_says_whether_it_can_go_on_from_a_prefix(provider: InferenceProvider, engine: Engine) -> None:
    engine.continues_prefix = False
    assert not await provider.continues_prefix()


async def test_an_engine_that_does_not_answer_is_taken_to_start_over() -> None:
    async with Channel("127.0.0.1:1", "engine") as channel:
        assert not await InferenceProvider(channel).continues_prefix()


async def test_images_are_refused_before_the_engine_is_asked(provider: InferenceProvider) -> None:
    image = chat_pb2.ContentPart(image=chat_pb2.Image(url="https://images.test/a.png"))
    asked = inference_pb2.GenerateRequest(messages=[chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[image])])
    with pytest.raises(ProviderError) as failure:
        async with provider.stream(asked, 5):
            pass

    assert (failure.value.reason, failure.value.remedy) == (
        error_pb2.ERROR_REASON_UNSUPPORTED,
        Remedy.ANOTHER_PROVIDER,
    )


async def test_a_checkup_asks_the_engine_what_it_is(provider: InferenceProvider) -> None:
    await provider.check("", 5)


async def test_a_checkup_of_an_engine_that_is_away_says_so() -> None:
    async with Channel("127.0.0.1:1", "engine") as channel:
        with pytest.raises(ProviderError) as failure:
            await InferenceProvider(channel).check("", 0.5)

    assert failure.value.reason in (
        error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE,
        error_pb2.ERROR_REASON_PROVIDER_TIMEOUT,
    )
