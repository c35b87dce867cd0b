"""A request's script comes from the provider, the header or the model's name, and aborts are told."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft_mock import Fault, Script
from weft_mock.script import rewritten


async def test_scripts_are_played_in_order_and_the_last_one_stays(playing):
    async with playing(Script(status=500), Script(status=429), Script()) as client:
        statuses = [(await client.answer()).status_code for _ in range(4)]
    assert statuses == [500, 429, 200, 200]


async def test_a_new_script_serves_from_the_next_request_on(playing):
    async with playing() as client:
        client.provider.play(Script(status=503))
        assert (await client.answer()).status_code == 503


async def test_the_model_name_scripts_one_request(playing):
    async with playing() as client:
        scripted = await client.answer(model="small?status=429&retry_after=2")
        plain = await client.answer(model="small")
    assert (scripted.status_code, scripted.headers["retry-after"]) == (429, "2")
    assert (plain.status_code, plain.json()["model"]) == (200, "small")


async def test_the_header_scripts_one_request(playing):
    async with playing() as client:
        reply = await client.answer(headers={"x-mock-script": "tokens=2"})
    assert reply.json()["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"messages": "hi"}', b'{"model": "m?fault=x", "messages": []}'])
async def test_a_request_it_cannot_read_is_a_400_that_says_why(playing, body):
    async with playing() as client:
        reply = await client.http.post("chat/completions", content=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["message"]


def test_an_unknown_field_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'stauts'; known: .*status"):
        rewritten(Script(), "stauts=1")


@given(st.sampled_from(Fault), st.integers(0, 50), st.floats(0, 10))
def test_every_field_can_be_rewritten(fault, at_token, first_token_s):
    query = f"fault={fault}&at_token={at_token}&first_token_s={first_token_s}&usage=0&tool_calls=f:%7B%7D"
    script = rewritten(Script(), query)
    assert (script.fault, script.at_token, script.first_token_s) == (fault, at_token, first_token_s)
    assert (script.usage, script.tool_calls[0].arguments_json) == (False, "{}")


async def test_leaving_a_stream_is_an_abort(playing):
    async with playing(Script(tokens_per_second=10)) as client:
        async with client.stream() as reply:
            await anext(reply.aiter_lines())
        abort = await client.provider.next_abort()
        assert abort.chat.body["messages"][0]["content"] == "What is the capital of France?"
        assert abort.at <= asyncio.get_running_loop().time()
        assert client.provider.stats.in_flight == 0


async def test_a_whole_answer_is_no_abort_and_the_connection_is_kept(playing):
    async with playing() as client:
        for _ in range(3):
            await client.events()
        stats = client.provider.stats
    assert (stats.finished, stats.aborted, stats.connections_total) == (3, 0, 1)


async def test_requests_can_be_awaited(playing):
    async with playing(Script(fault=Fault.HANG_BEFORE_HEADERS)) as client:
        asking = asyncio.create_task(client.answer())
        chat = await client.provider.next_request()
        assert (chat.model, client.provider.stats.in_flight) == ("mock", 1)
        asking.cancel()
        await client.provider.next_abort()
