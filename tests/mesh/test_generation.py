"""The main job through the whole mesh: asked, retrieved, generated, streamed, recorded, cached, cancelled."""

import asyncio
from contextlib import aclosing

import grpc
import pytest
from tests.mesh.environment import Environment
from tests.support.waiting import until

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2
from weft.inference.v1 import inference_pb2, inference_pb2_grpc
from weft.job.v1 import job_pb2
from weft_client.client import WeftClient
from weft_client.requests import chat
from weft_kit.joblog import text_hash
from weft_kit.rpc.errors import WeftError

pytestmark = pytest.mark.asyncio(loop_scope="package")

QUESTION = "Who is the captain of the ferry to Marrow island?"
LONG = "Write a very long story about the sea."


def one_sentence(prompt: str) -> job_pb2.GenerationRequest:
    """A question whose answer is sure to end, because only finished answers are kept."""
    request = chat(prompt, temperature=0, max_tokens=400)
    request.sampling.stop.append(".")
    return request


async def answered(weft: WeftClient, request: job_pb2.GenerationRequest) -> job_pb2.Job:
    generation = weft.run(request)
    async for _ in generation:
        pass
    return await weft.job(generation.job_id)


async def test_a_question_over_documents_is_answered_from_them(environment: Environment) -> None:
    async with environment.client() as weft:
        generation = weft.generate(QUESTION, collection="handbook", temperature=0, max_tokens=64)
        async with aclosing(aiter(generation)) as tokens:
            pieces = [token.text async for token in tokens]
        job = await weft.job(generation.job_id)
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert len(pieces) > 1
    assert "".join(pieces) == job.answer.text == generation.text
    # A model of 135 million parameters need not be right, but it must have read the sources.
    assert any(word in job.answer.text for word in ("Odile", "Brandt", "Marrow", "ferry", "pier", "Harrow"))
    assert job.answer.usage.prompt_tokens > 80
    assert job.answer.sources[0].document_id == "ferry.md"
    assert job.answer.usage.prompt_tokens > 0
    assert job.answer.usage.completion_tokens > 0
    assert [a.provider for a in job.attempts] == ["local"]
    assert job.accept_time.ToNanoseconds() <= job.start_time.ToNanoseconds() <= job.end_time.ToNanoseconds()


async def test_the_record_reaches_postgresql(environment: Environment) -> None:
    async with environment.client() as weft:
        job = await answered(weft, chat("Say hello.", max_tokens=8))

        async def listed() -> bool:
            found = {j.job_id: j for j in await weft.jobs(100, [job_pb2.JOB_STATE_SUCCEEDED])}
            return job.job_id in found

        await until("the job is listed", listed, 10.0)


async def test_the_same_question_again_is_a_cache_hit(environment: Environment) -> None:
    request = one_sentence("Name one colour of the sea.")
    async with environment.client() as weft:
        before = (await weft.cache_stats()).entries
        first = await answered(weft, request)

        async def stored() -> bool:
            return (await weft.cache_stats()).entries > before

        await until("the answer is stored", stored, 10.0)
        again = await answered(weft, request)
    assert again.job_id != first.job_id
    assert again.answer.text == first.answer.text
    assert again.cache_hit.tier == job_pb2.CACHE_MODE_EXACT
    assert not first.HasField("cache_hit")
    assert not again.attempts


async def test_another_tenant_never_gets_the_cached_answer(environment: Environment) -> None:
    request = one_sentence("Name one colour of the sky.")
    async with environment.client() as weft, environment.other_tenant() as other:
        before = (await weft.cache_stats()).entries
        await answered(weft, request)

        async def stored() -> bool:
            return (await weft.cache_stats()).entries > before

        await until("the answer is stored", stored, 10.0)
        theirs = await answered(other, request)
    assert not theirs.HasField("cache_hit")


async def test_a_reader_that_is_cut_off_continues_byte_for_byte(environment: Environment) -> None:
    async with environment.client() as weft:
        first = weft.run(chat(LONG, max_tokens=96))
        async with aclosing(aiter(first)) as tokens:
            async for _ in tokens:
                break
        cut_at, read = first.last_sequence, first.text
        rest = weft.follow(first.job_id, cut_at)
        continued = [token.text async for token in rest]
        whole = (await weft.job(first.job_id)).answer.text
    assert read
    assert continued
    assert (read + "".join(continued)).encode() == whole.encode()
    assert rest.done is not None
    assert rest.done.text_hash == text_hash(whole)


async def test_leaving_generate_leaves_the_job_running(environment: Environment) -> None:
    async with environment.client() as weft:
        left = weft.run(chat(LONG, max_tokens=48))
        async with aclosing(aiter(left)) as tokens:
            async for _ in tokens:
                break
        later = weft.follow(left.job_id)
        async for _ in later:
            pass
    assert later.done is not None
    assert later.done.state == job_pb2.JOB_STATE_SUCCEEDED


async def test_a_cancelled_job_stops_the_engine(environment: Environment) -> None:
    async with environment.client() as weft, grpc.aio.insecure_channel(environment.inference) as channel:
        engine = inference_pb2_grpc.InferenceServiceStub(channel)
        aborted = (await engine.GetEngine(inference_pb2.GetEngineRequest())).aborted
        generation = weft.run(chat(LONG, max_tokens=512))
        async with aclosing(aiter(generation)) as tokens:
            async for _ in tokens:
                break
            await weft.cancel(generation.job_id, "enough")
            async for _ in tokens:
                pass

        async def stopped() -> bool:
            state = await engine.GetEngine(inference_pb2.GetEngineRequest())
            return state.running == 0 and state.aborted == aborted + 1

        await until("the engine has stopped", stopped, 2.0)
        job = await weft.job(generation.job_id)
    assert job.state == job_pb2.JOB_STATE_CANCELLED
    assert job.answer.text.startswith(generation.text[:1])
    assert job.error.reason == error_pb2.ERROR_REASON_CANCELLED


async def test_a_provider_that_is_down_fails_a_job_that_will_not_wait_with_a_reason_and_a_record(
    environment: Environment,
) -> None:
    async with environment.client() as weft:
        job = await answered(weft, chat("Anyone there?", model="unreachable", on_outage="fail"))
    assert job.state == job_pb2.JOB_STATE_FAILED
    assert job.error.message
    assert job.attempts
    assert {a.error.reason for a in job.attempts} == {error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE}


async def test_the_same_request_id_returns_the_same_job(environment: Environment) -> None:
    request = chat("Once only.", max_tokens=8)
    async with environment.client() as weft:
        jobs = await asyncio.gather(*(weft.submit(request, "once") for _ in range(5)))
        with pytest.raises(WeftError) as reused:
            await weft.submit(chat("Something else."), "once")
    assert len({job.job_id for job in jobs}) == 1
    assert reused.value.reason == error_pb2.ERROR_REASON_REQUEST_ID_REUSED
    assert gateway_pb2.SubmitJobResponse(job=jobs[0]).job.request_id == "once"
