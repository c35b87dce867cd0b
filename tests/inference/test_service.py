"""The service over a socket, with the echo engine: admission, embedding, reranking, health and reflection."""

import asyncio

import grpc
import numpy as np
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.inference.calling import asking, calling, on_a_free_port

from weft.common.v1 import chat_pb2, error_pb2
from weft_inference.engines.echo import Echo
from weft_kit.rpc.errors import WeftError

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "word " * 2000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client():
    """One slot, one place in the queue, and a pace at which LONG takes minutes."""
    async with calling(on_a_free_port(engine="echo", slots=1, queue_limit=1, echo_tokens_per_s=10)) as client:
        yield client


async def test_a_generation_is_admitted_then_streamed_then_finished(client):
    text, events = await client.generate(asking("one two three"))
    assert text == "one two three"
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds == ["admitted", *["delta"] * (len(kinds) - 2), "finished"]
    assert events[0].admitted.model == "echo"
    finished = events[-1].finished
    assert finished.finish_reason == chat_pb2.FINISH_REASON_STOP
    assert (finished.usage.prompt_tokens, finished.usage.completion_tokens) == (3, 3)
    assert sum(event.delta.token_count for event in events) == 3


async def test_leaving_a_running_generation_frees_its_slot(client):
    before = (await client.engine()).aborted
    async with client.generating(asking(LONG)) as events:
        await anext(aiter(events))
        assert (await client.engine()).running == 1
    after = await client.engine_once(lambda engine: engine.running == 0)
    assert after.aborted == before + 1


async def test_leaving_the_queue_frees_its_place(client):
    async with client.generating(asking(LONG)) as running:
        await anext(aiter(running))
        async with client.generating(asking(LONG)) as waiting:
            first = asyncio.ensure_future(anext(aiter(waiting)))
            await client.engine_once(lambda engine: engine.waiting == 1)
            first.cancel()
        assert (await client.engine_once(lambda engine: engine.waiting == 0)).running == 1
    await client.engine_once(lambda engine: engine.running == 0)


async def test_a_full_queue_is_unavailable_with_a_wait(client):
    async with client.generating(asking(LONG)) as running:
        await anext(aiter(running))
        async with client.generating(asking(LONG)) as waiting:
            first = asyncio.ensure_future(anext(aiter(waiting)))
            await client.engine_once(lambda engine: engine.waiting == 1)
            call = client.stub.Generate(asking("one more"), timeout=5)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call.read()
            trailers = dict(refused.value.trailing_metadata())
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            assert int(trailers["grpc-retry-pushback-ms"]) > 0
            first.cancel()
    await client.engine_once(lambda engine: engine.running == engine.waiting == 0)


async def test_a_deadline_that_passes_while_waiting_ends_the_call(client):
    async with client.generating(asking(LONG)) as running:
        await anext(aiter(running))
        with pytest.raises(WeftError) as refused:
            async with client.generating(asking(LONG), limit_s=0.1) as waiting:
                await anext(aiter(waiting))
        assert refused.value.reason == error_pb2.ERROR_REASON_DEADLINE_EXCEEDED
    await client.engine_once(lambda engine: engine.running == engine.waiting == 0)


async def test_a_bad_request_names_its_fields(client):
    with pytest.raises(WeftError) as refused:
        await client.generate(asking("hello", temperature=3, model="nobody"))
    assert refused.value.reason == error_pb2.ERROR_REASON_INVALID_FIELD
    with pytest.raises(WeftError) as refused:
        await client.embed("fine", "")
    assert set(refused.value.violations) == {"texts[1]"}


async def test_embeddings_are_unit_vectors_with_their_embedder_named(client):
    answer = await client.embed("turn on dark mode", "enable the dark theme", "word " * 400)
    made = np.array([embedding.values for embedding in answer.embeddings])
    assert made.shape == (3, 384)
    assert np.linalg.norm(made, axis=1) == pytest.approx(1, abs=1e-5)
    assert [embedding.truncated for embedding in answer.embeddings] == [False, False, True]
    assert made[0] @ made[1] > made[0] @ made[2]
    assert answer.embedder == (await client.engine()).embedder
    assert 256 < answer.tokens < 290


async def test_rerank_puts_the_answer_first_even_at_the_end_of_a_long_document(client):
    buried = "The committee met again on Tuesday to discuss the budget. " * 40 + "Paris is the capital of France."
    documents = ["Berlin lies on the Spree.", buried, "Cheese is made from milk."]
    answer = await client.rerank("What is the capital of France?", *documents)
    assert answer.results[0].index == 1
    scores = [result.score for result in answer.results]
    assert scores == sorted(scores, reverse=True)
    assert answer.model == (await client.engine()).reranker
    assert len((await client.rerank("capital", *documents, top_k=2)).results) == 2


async def test_the_engine_describes_itself(client):
    engine = await client.engine()
    assert (engine.engine, engine.model, engine.slots, engine.queue_limit) == ("echo", "echo", 1, 1)
    assert (engine.embedding_dimensions, engine.embedding_max_tokens) == (384, 256)
    assert engine.continues_prefix


async def test_a_broken_engine_is_not_ready_though_the_process_lives():
    class Mortal(Echo):
        error: Exception | None = None

        async def check(self) -> None:
            if self.error:
                raise self.error

    engine = Mortal()
    async with calling(on_a_free_port(engine="echo"), engine) as client:
        health = health_pb2_grpc.HealthStub(client.channel.raw)
        statuses = aiter(health.Watch(health_pb2.HealthCheckRequest()))
        assert (await anext(statuses)).status == health_pb2.HealthCheckResponse.SERVING
        engine.error = RuntimeError("its process died")
        async with asyncio.timeout(20):
            assert (await anext(statuses)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        alive = await health.Check(health_pb2.HealthCheckRequest(service="liveness"))
        assert alive.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_and_reflection_answer(client):
    health = health_pb2_grpc.HealthStub(client.channel.raw)
    answer = await health.Check(health_pb2.HealthCheckRequest(service="weft.inference.v1.InferenceService"))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflection = reflection_pb2_grpc.ServerReflectionStub(client.channel.raw)
    questions = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    [listed] = [answer async for answer in reflection.ServerReflectionInfo(questions)]
    names = [service.name for service in listed.list_services_response.service]
    assert "weft.inference.v1.InferenceService" in names
