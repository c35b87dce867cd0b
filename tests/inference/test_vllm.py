"""vLLM with a real model, through the service and its socket (make test-vllm)."""

import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import pytest_asyncio

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

from tests.inference.calling import asking, calling, json_schema, on_a_free_port
from vllm import AsyncEngineArgs
from vllm.config import CompilationConfig, KVTransferConfig
from vllm.v1.engine import FinishReason

from weft.common.v1 import chat_pb2, error_pb2
from weft_inference.engines.engine_file import EngineTable
from weft_inference.engines.vllm import Vllm, VllmSettings
from weft_inference.engines.vllm_arguments import OURS, built, checked
from weft_kit.rpc.errors import CannotStart, WeftError

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

PAGE = Path(__file__).parents[2] / "docs" / "inference.md"
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
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
    return Vllm(VllmSettings(None, weights, slots=2, context_window=1024, table=table(enforce_eager=True)))


def table(**values: object) -> EngineTable:
    return EngineTable("engine.vllm", values)


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


def test_what_weft_sets_itself_are_arguments_of_the_installed_version():
    assert OURS.keys() <= {field.name for field in fields(AsyncEngineArgs)}


def test_every_default_of_the_installed_version_would_be_taken():
    plain = (bool, int, float, str, list)
    given = {field.name: field.default for field in fields(AsyncEngineArgs) if isinstance(field.default, plain)}
    ours = {name for name in given if name in OURS or name.startswith("_")}
    assert len(given) > 100
    assert checked(AsyncEngineArgs, {name: given[name] for name in given.keys() - ours}, "engine.vllm")[1] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=["fp8", "two GPUs", "AWQ"])
def test_the_examples_of_the_page_are_taken(example):
    given = tomllib.loads(example)["engine"]["vllm"]
    assert checked(AsyncEngineArgs, given, "engine.vllm") == (given, [])


def test_mistakes_are_told_against_the_installed_version():
    given = {
        "gpu_memory_utilisation": 0.5,
        "tensor_parallel_size": "2",
        "dtype": "bf16",
        "kv_transfer_config": {"kv_rol": "kv_both"},
        "max_model_len": 8,
    }
    told = checked(AsyncEngineArgs, given, "engine.vllm")[1]
    assert told[0].endswith("did you mean gpu_memory_utilization?")
    assert told[1] == "engine.vllm.tensor_parallel_size: takes an integer; found '2'"
    assert told[2].startswith('engine.vllm.dtype: takes one of "auto", "half", ')
    assert told[3].endswith("did you mean kv_role?")
    assert told[4] == "engine.vllm.max_model_len: is set by Weft; set WEFT_INFERENCE_CONTEXT_WINDOW"
    assert len(told) == 5


def test_tables_become_the_configurations_that_vllm_expects(tmp_path):
    transfer = {"kv_connector": "ExampleConnector", "kv_role": "kv_both"}
    given = {
        "compilation_config": {"mode": 0},
        "kv_transfer_config": transfer,
        "speculative_config": {"method": "ngram"},
    }
    values, _ = checked(AsyncEngineArgs, given, "engine.vllm")
    arguments = built(AsyncEngineArgs, values | {"model": str(tmp_path)})
    assert isinstance(arguments.compilation_config, CompilationConfig)
    assert isinstance(arguments.kv_transfer_config, KVTransferConfig)
    assert arguments.speculative_config == {"method": "ngram"}


async def test_a_start_without_room_for_the_cache_says_what_to_turn(request, monkeypatch):
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)
    weights = request.config.cache.mkdir("weights")
    few = table(enforce_eager=True, kv_cache_memory_bytes=1_000_000)
    engine = Vllm(VllmSettings(None, weights, slots=2, context_window=1024, table=few))
    # The worker's process finds it, and not this one.
    with pytest.raises(CannotStart, match=r"kv_cache_memory_bytes .* vLLM says: ValueError: No available memory"):
        await engine.start()
    await engine.close()


async def test_a_value_that_vllm_refuses_is_told_by_its_name(request):
    weights = request.config.cache.mkdir("weights")
    engine = Vllm(VllmSettings(None, weights, slots=2, context_window=1024, table=table(gpu_memory_utilization=3)))
    with pytest.raises(CannotStart, match=r"mend \[engine\.vllm\]: gpu_memory_utilization: .*less than or equal to 1"):
        await engine.start()
    await engine.close()
