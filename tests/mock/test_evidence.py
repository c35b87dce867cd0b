"""What another process can learn from the mock: what it was asked, who left, and when its tokens left."""

import asyncio
import time

import httpx
import pytest

from weft_mock import Fault, Script, answer_to
from weft_mock.ledger import Ledger


def asking(prompt):
    return {"messages": [{"role": "user", "content": prompt}]}


async def test_every_attempt_at_a_prompt_gets_the_text_a_test_can_work_out(playing):
    async with playing(Script(fault=Fault.RESET, tokens=8), Script(tokens=8)) as client:
        with pytest.raises(httpx.ReadError):
            await client.answer(stream=True, **asking("Who keeps the light?"))
        again = client.text(await client.events(**asking("Who keeps the light?")))
    assert again == answer_to("Who keeps the light?", 8) != answer_to("Who keeps the boat?", 8)


async def test_requests_are_counted_by_prompt(playing):
    async with playing() as client:
        for prompt in ("one", "two", "one"):
            await client.answer(**asking(prompt))
        prompts = (await client.http.get("../prompts")).json()
    assert prompts == {"one": 2, "two": 1}


async def test_a_refused_request_was_still_asked(playing):
    async with playing(Script(status=503)) as client:
        await client.answer(**asking("one"))
        assert client.provider.ledger.prompts == {"one": 1}


def test_counts_of_old_prompts_and_the_tails_of_long_ones_are_not_kept():
    ledger = Ledger()
    for number in range(10_001):
        ledger.asked([{"role": "user", "content": f"prompt {number}"}])
    ledger.asked([{"role": "user", "content": "x" * 1_000_000}])
    assert len(ledger.prompts) == 10_000
    assert next(iter(ledger.prompts)) == "prompt 2"
    assert next(reversed(ledger.prompts)) == "x" * 200


def test_a_request_without_text_has_an_empty_prompt():
    ledger = Ledger()
    for messages in ([], [{"role": "user"}], [{"role": "assistant", "content": None}]):
        ledger.asked(messages)
    assert ledger.prompts == {"": 3}


async def test_it_is_told_when_a_client_left(playing):
    async with playing(Script(fault=Fault.HANG)) as client:
        async with client.stream(**asking("a long story")) as reply:
            await anext(reply.aiter_lines())
            left = time.time()
        await client.provider.next_abort()
        [abort] = (await client.http.get("../aborts")).json()
    assert abort["prompt"] == "a long story"
    assert 0 <= abort["unix_s"] - left < 1


async def test_stamped_tokens_say_when_they_left(playing):
    async with playing(Script(tokens=3, tokens_per_second=50)) as client:
        began = time.time_ns()
        events = await client.events(model="mock?stamp=1")
        stamps = [int(text) for text in client.text(events).split()]
    times = [began, *stamps, time.time_ns()]
    assert times == sorted(times)
    assert stamps[2] - stamps[1] > 15_000_000


async def test_a_whole_answer_can_be_stamped_too(playing):
    async with playing(Script(tokens=2, stamp=True)) as client:
        whole = (await client.answer()).json()
    assert len(whole["choices"][0]["message"]["content"].split()) == whole["usage"]["completion_tokens"] == 2


async def test_hundreds_of_streams_run_at_once(playing):
    body = b'{"model":"mock","stream":true,"messages":[]}'
    request = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    async def opened(url):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(request)
        await reader.readuntil(b'"content":"')
        return writer

    async with playing(Script(fault=Fault.HANG)) as client:
        writers = await asyncio.gather(*(opened(client.http.base_url) for _ in range(500)))
        assert client.provider.stats.in_flight == 500
        for writer in writers:
            writer.close()
