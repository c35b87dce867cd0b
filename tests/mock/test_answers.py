"""A well-behaved mock speaks the protocol."""

import asyncio
import json
import sys
import time

import httpx

from weft_mock import Script, ToolCall


async def test_a_stream_opens_with_the_role_and_ends_with_the_marker(playing):
    async with playing(Script(tokens=5)) as client:
        events = await client.events()
    assert json.loads(events[0])["choices"][0]["delta"]["role"] == "assistant"
    assert json.loads(events[-2])["choices"][0]["finish_reason"] == "stop"
    assert events[-1] == "[DONE]"
    assert len(events) == 1 + 5 + 2


async def test_the_same_prompt_has_the_same_answer_streamed_or_not(playing):
    async with playing() as client:
        streamed = client.text(await client.events())
        whole = (await client.answer()).json()["choices"][0]["message"]["content"]
        other = (await client.answer(messages=[{"role": "user", "content": "And of Spain?"}])).json()
    assert streamed == whole
    assert len(whole.split()) == 32
    assert other["choices"][0]["message"]["content"] != whole


async def test_a_scripted_text_arrives_to_the_letter(playing):
    text = 'Paris,\n  "la Ville Lumière" — 🗼 '
    async with playing(Script(text=text)) as client:
        assert client.text(await client.events()) == text


async def test_usage_is_streamed_when_asked_for(playing):
    async with playing(Script(tokens=3)) as client:
        asked = await client.events(stream_options={"include_usage": True})
        unasked = await client.events()
    assert json.loads(asked[-2])["usage"] == {"prompt_tokens": 6, "completion_tokens": 3, "total_tokens": 9}
    assert not any("usage" in event for event in unasked)


async def test_usage_can_be_missing(playing):
    async with playing(Script(usage=False)) as client:
        events = await client.events(stream_options={"include_usage": True})
        whole = (await client.answer()).json()
    assert not any("usage" in event for event in events)
    assert "usage" not in whole


async def test_tool_calls_arrive_in_fragments(playing):
    call = ToolCall("weather", '{"city":"Rome"}')
    async with playing(Script(tool_calls=(call,))) as client:
        chunks = [json.loads(event) for event in (await client.events())[1:-1]]
        whole = (await client.answer()).json()["choices"][0]
    fragments = [chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in chunks[:2]]
    assert fragments[0]["function"]["name"] == "weather"
    assert "".join(fragment["function"]["arguments"] for fragment in fragments) == call.arguments_json
    assert chunks[2]["choices"][0]["finish_reason"] == whole["finish_reason"] == "tool_calls"
    assert whole["message"]["tool_calls"][0]["function"]["arguments"] == call.arguments_json


async def test_a_pace_spreads_the_tokens(playing):
    async with playing(Script(tokens=5, tokens_per_second=100)) as client:
        began = time.monotonic()
        await client.events()
    assert time.monotonic() - began >= 0.04


async def test_the_first_token_takes_its_time(playing):
    async with playing(Script(first_token_s=0.05)) as client:
        began = time.monotonic()
        await client.events()
    assert time.monotonic() - began >= 0.05


async def test_models_and_stats_are_served(playing):
    async with playing() as client:
        await client.events()
        models = (await client.http.get("models")).json()
        stats = (await client.http.get("../stats")).json()
    assert models["data"][0]["id"] == "mock"
    assert stats["requests"] == stats["finished"] == stats["connections_open"] == 1


async def test_the_command_prints_its_url_and_serves(tmp_path):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "weft_mock", "--first-token-ms", "0", "--tokens", "3", stdout=asyncio.subprocess.PIPE
    )
    try:
        base_url = (await process.stdout.readline()).decode().strip()
        async with httpx.AsyncClient(base_url=base_url) as http:
            reply = await http.post("chat/completions", json={"model": "m", "messages": []})
        assert len(reply.json()["choices"][0]["message"]["content"].split()) == 3
    finally:
        process.terminate()
        await process.wait()
