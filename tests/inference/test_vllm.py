"""vLLM with a real model, through the service and its socket (make test-vllm)."""

import json

import pytest
import pytest_asyncio

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

from tests.inference.calling import asking, calling, json_schema, on_a_free_port
from vllm.v1.engine import FinishReason

from weft.common.v1 import chat_pb2, error_pb2
from weft_inference.engines.vllm import Vllm, VllmSettings
from weft_kit.rpc.errors import WeftError

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

CAPITAL = "What is the capital of France?"
CITY = json.dumps(
    {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
        "additionalProperties": False,
    }
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(request):
    # Kept from run to run: converting takes half a minute.
    weights = request.config.cache.mkdir("weights")
    return Vllm(VllmSettings(None, weights, slots=2, context_window=1024, enforce_eager=True))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(engine):
    async with calling(on_a_free_port(engine="vllm", slots=2, context_window=1024), engine) as client:
        yield client


async def test_tokens_stream_and_are_counted_exactly(client):
    text, events = await client.generate(asking("Tell me a story.", temperature=0, max_tokens=16))
    deltas = [event.delta for event in events if event.WhichOneof("event") == "delta"]
    assert text
    assert len(deltas) > 1
    assert sum(delta.token_count for delta in deltas) == 16
    finished = events[-1].finished
    assert finished.finish_reason == chat_pb2.FINISH_REASON_LENGTH
    assert finished.usage.completion_tokens == 16


def test_every_finish_reason_of_the_installed_version_is_known():
    assert {str(reason) for reason in FinishReason} == {"stop", "length", "abort", "error", "repetition"}


async def test_the_engine_describes_itself(client):
    state = await client.engine()
    assert (state.engine, state.model, state.context_window) == ("vllm", "SmolLM2-135M-Instruct", 1024)
    assert state.continues_prefix


async def test_a_prefix_is_continued_and_not_repeated(client):
    text, _ = await client.generate(asking(CAPITAL, prefix="The capital of France is", temperature=0, max_tokens=4))
    assert text.startswith(" Paris")


async def test_a_stop_text_ends_the_answer_and_is_not_part_of_it(client):
    request = asking("Count from 1 to 20.", prefix="1, 2, 3, 4,", stop=["7"], temperature=0, max_tokens=40)
    text, events = await client.generate(request)
    assert "7" not in text
    assert events[-1].finished.finish_reason == chat_pb2.FINISH_REASON_STOP


async def test_a_seed_repeats_the_answer(client):
    request = asking("Name three animals.", seed=7, temperature=1.5, max_tokens=12)
    assert (await client.generate(request))[0] == (await client.generate(request))[0]


async def test_a_schema_is_satisfied(client):
    request = asking(CAPITAL, response_format=json_schema(CITY), temperature=0, max_tokens=80)
    assert set(json.loads((await client.generate(request))[0])) == {"city"}


async def test_a_schema_the_engine_cannot_enforce_is_refused(client):
    with pytest.raises(WeftError) as refused:
        await client.generate(asking(CAPITAL, response_format=json_schema('{"type": "no such type"}')))
    assert set(refused.value.violations) == {"response_format.json_schema.schema_json"}


async def test_continuing_an_answer_held_to_a_schema_is_refused(client):
    with pytest.raises(WeftError) as refused:
        await client.generate(asking(CAPITAL, prefix='{"city": ', response_format=json_schema(CITY)))
    assert refused.value.reason == error_pb2.ERROR_REASON_UNSUPPORTED


async def test_a_prompt_longer_than_the_window_is_refused(client):
    with pytest.raises(WeftError) as refused:
        await client.generate(asking("word " * 1500))
    assert refused.value.reason == error_pb2.ERROR_REASON_INVALID_FIELD
    assert "1024" in refused.value.violations["messages"]


async def test_leaving_stops_the_engine(client, engine):
    before = await client.engine()
    async with client.generating(asking("Write a very long story.", max_tokens=900)) as events:
        stream = aiter(events)
        assert (await anext(stream)).WhichOneof("event") == "admitted"
        assert (await anext(stream)).WhichOneof("event") == "delta"
        assert engine.unfinished() == 1
    after = await client.engine_once(lambda state: state.running == 0)
    assert after.aborted == before.aborted + 1
    assert engine.unfinished() == 0
