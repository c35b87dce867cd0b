"""llama.cpp with a real model, through the service and its socket."""

import asyncio
import json

import pytest
import pytest_asyncio
from tests.inference.calling import asking, calling, json_schema, on_a_free_port

from weft.common.v1 import chat_pb2, error_pb2
from weft_kit.rpc.errors import WeftError

pytestmark = pytest.mark.asyncio(loop_scope="module")

CAPITAL = "What is the capital of France?"
CITY = json.dumps(
    {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}, "sure": {"type": "boolean"}},
        "required": ["city", "sure"],
        "additionalProperties": False,
    }
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client():
    async with calling(on_a_free_port(engine="llamacpp", slots=2, queue_limit=4, context_window=1024)) as client:
        yield client


async def test_tokens_are_counted_exactly_to_the_limit(client):
    text, events = await client.generate(asking("Tell me a story.", temperature=0, max_tokens=12))
    assert text
    finished = events[-1].finished
    assert finished.finish_reason == chat_pb2.FINISH_REASON_LENGTH
    assert finished.usage.completion_tokens == 12
    assert sum(event.delta.token_count for event in events) == 12
    assert finished.usage.prompt_tokens > 10


async def test_a_repeated_prompt_is_read_from_the_cache(client):
    await client.generate(asking(CAPITAL, max_tokens=1))
    _, events = await client.generate(asking(CAPITAL, max_tokens=1))
    assert events[-1].finished.usage.cached_prompt_tokens > 10


@pytest.mark.parametrize("sampling", [{"temperature": 0}, {"temperature": 1.5}])
async def test_a_seed_repeats_the_answer(client, sampling):
    request = asking("Name three animals.", seed=7, max_tokens=12, **sampling)
    assert (await client.generate(request))[0] == (await client.generate(request))[0]


async def test_another_seed_gives_another_answer(client):
    answers = [
        (await client.generate(asking("Name an animal.", seed=seed, temperature=2, max_tokens=12)))[0]
        for seed in (1, 2, 3)
    ]
    assert len(set(answers)) > 1


async def test_a_stop_text_ends_the_answer_and_is_not_part_of_it(client):
    text, events = await client.generate(
        asking("Count from 1 to 20.", prefix="1, 2, 3, 4,", stop=["7"], temperature=0, max_tokens=40)
    )
    assert "7" not in text
    assert events[-1].finished.finish_reason == chat_pb2.FINISH_REASON_STOP


async def test_a_prefix_is_continued_and_not_repeated(client):
    text, _ = await client.generate(asking(CAPITAL, prefix="The capital of France is", temperature=0, max_tokens=4))
    assert text.startswith(" Paris")


async def test_a_schema_is_satisfied(client):
    request = asking(CAPITAL, response_format=json_schema(CITY), temperature=0, max_tokens=60)
    answer = json.loads((await client.generate(request))[0])
    assert set(answer) == {"city", "sure"}
    assert isinstance(answer["sure"], bool)


async def test_json_object_is_enforced(client):
    form = chat_pb2.ResponseFormat(json_object=chat_pb2.JsonObjectFormat())
    text, _ = await client.generate(asking(CAPITAL, response_format=form, temperature=0, max_tokens=60))
    assert text.startswith("{")


async def test_an_answer_cut_off_inside_its_schema_has_all_its_tokens(client):
    request = asking(CAPITAL, response_format=json_schema(CITY), temperature=0, max_tokens=6)
    text, events = await client.generate(request)
    assert text.startswith('{"city": "')
    assert events[-1].finished.finish_reason == chat_pb2.FINISH_REASON_LENGTH
    assert sum(event.delta.token_count for event in events) == 6


async def test_a_schema_the_engine_cannot_enforce_is_refused(client):
    with pytest.raises(WeftError) as refused:
        await client.generate(asking(CAPITAL, response_format=json_schema('{"type": "no such type"}')))
    assert set(refused.value.violations) == {"response_format.json_schema.schema_json"}
    assert (await client.engine()).running == 0


def costly(**properties):
    return {"type": "object", "properties": properties, "required": list(properties)}


COSTLY = {
    "enum": {"enum": [f"v{i:05}" for i in range(2000)]},
    "enum of long texts": {"enum": ["the same is said again and again, " * 2 + str(i) for i in range(1200)]},
    "alternatives": {"anyOf": [costly(p={"type": "string"}, **{f"q{i}": {}}) for i in range(256)]},
    "optional properties": costly(a={"type": "object", "properties": {f"p{i}": {} for i in range(400)}}),
    "recursion": {"$defs": {"t": {"anyOf": [costly(a={"$ref": "#/$defs/t"})] * 4}}, "$ref": "#/$defs/t"},
    "nested repetitions": {"type": "string", "pattern": "^((a{0,9}b?){0,10}c?){0,10}$"},
    "divisors": {"type": "integer", "allOf": [{"multipleOf": divisor} for divisor in (97, 89, 83)]},
    "items": {"type": "array", "minItems": 2000, "maxItems": 2000, "items": {"enum": [1]}},
}


async def time_beside(client, schema) -> float:
    """Returns how long a story takes while another answer is held to a schema."""
    loop = asyncio.get_running_loop()

    async def tell() -> float:
        began = loop.time()
        await client.generate(asking("Tell me a story.", temperature=0, max_tokens=32))
        return loop.time() - began

    beside = asking("Say anything.", response_format=json_schema(json.dumps(schema)), temperature=0, max_tokens=16)
    took, _ = await asyncio.gather(tell(), client.generate(beside))
    return took


@pytest.mark.quiet
@pytest.mark.parametrize("name", COSTLY)
async def test_an_answer_goes_on_while_another_is_held_to_a_costly_schema(client, name):
    ratios = []
    # Where the first two of three are small, so is the median.
    while len(ratios) < 2 or (len(ratios) < 3 and max(ratios) >= 3):
        plain = await time_beside(client, json.loads(CITY))
        ratios.append(await time_beside(client, COSTLY[name]) / plain)
    assert sorted(ratios)[1] < 3


async def test_an_answer_is_one_of_a_long_enum(client):
    request = asking("Say v01234.", response_format=json_schema(json.dumps(COSTLY["enum"])), temperature=0)
    assert json.loads((await client.generate(request))[0]) in COSTLY["enum"]["enum"]


async def test_a_prompt_longer_than_the_window_is_refused_with_both_numbers(client):
    with pytest.raises(WeftError) as refused:
        await client.generate(asking("word " * 1500))
    assert refused.value.reason == error_pb2.ERROR_REASON_INVALID_FIELD
    assert "1024" in refused.value.violations["messages"]


async def test_characters_of_several_tokens_arrive_whole(client):
    text, events = await client.generate(asking("Repeat: 😀🎉 你好", prefix="😀🎉", temperature=0, max_tokens=24))
    assert "\ufffd" not in text
    assert sum(event.delta.token_count for event in events) <= events[-1].finished.usage.completion_tokens


@pytest.mark.parametrize("prompt", ["Write a very long story.", "Sum this up: " + "The sea is deep and blue. " * 120])
async def test_leaving_stops_the_engine_and_frees_the_slot(client, prompt):
    """The second prompt is still being read when its caller leaves."""
    before = await client.engine()
    async with client.generating(asking(prompt)) as events:
        await anext(aiter(events))
    after = await client.engine_once(lambda engine: engine.running == 0)
    assert after.aborted == before.aborted + 1
    # Both slots answer again: the engine itself has let go too.
    requests = [asking(f"Say {word}.", max_tokens=2) for word in ("yes", "no")]
    await asyncio.gather(*map(client.generate, requests))
    assert (await client.engine()).finished == before.finished + 2


async def test_more_callers_than_slots_all_get_their_answer(client):
    answers = await asyncio.gather(*(client.generate(asking(f"Say {n}.", max_tokens=4)) for n in range(5)))
    assert all(events[-1].WhichOneof("event") == "finished" for _, events in answers)
