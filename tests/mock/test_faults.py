"""A misbehaving mock misbehaves exactly as told."""

import httpx
import pytest

from weft_mock import Fault, Script


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 529])
async def test_a_status_comes_with_an_error_object(playing, status):
    async with playing(Script(status=status)) as client:
        reply = await client.answer(stream=True)
    assert reply.status_code == reply.json()["error"]["code"] == status
    assert "retry-after" not in reply.headers


async def test_retry_after_is_sent_as_written(playing):
    async with playing(Script(status=429, retry_after="Fri, 31 Dec 1999 23:59:59 GMT")) as client:
        assert (await client.answer()).headers["retry-after"] == "Fri, 31 Dec 1999 23:59:59 GMT"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", [Fault.HANG_BEFORE_HEADERS, Fault.HANG_AFTER_HEADERS, Fault.HANG])
async def test_a_hang_lasts_until_the_client_gives_up(playing, fault, stream):
    async with playing(Script(fault=fault)) as client:
        client.http.timeout = httpx.Timeout(0.1)
        with pytest.raises(httpx.ReadTimeout):
            await client.answer(stream=stream)
        abort = await client.provider.next_abort()
    assert abort.after_s >= 0.08  # the mock counts from when it has read the request
    assert client.provider.stats.aborted == 1


async def test_a_hang_in_the_middle_first_sends_its_tokens(playing):
    async with playing(Script(fault=Fault.HANG, at_token=3)) as client, client.stream() as reply:
        lines = reply.aiter_lines()
        data = [line async for line in _first(lines, 8)]
    assert len([line for line in data if '"content":' in line]) == 4  # the role's event has empty content


async def _first(lines, count):
    for _ in range(count):
        yield await anext(lines)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("fault", "error"), [(Fault.RESET, httpx.ReadError), (Fault.CLOSE, httpx.RemoteProtocolError)])
async def test_a_broken_connection_is_seen_as_one(playing, fault, error, stream):
    async with playing(Script(fault=fault)) as client:
        with pytest.raises(error):
            await client.answer(stream=stream)
        assert client.provider.stats.aborted == 0


async def test_tokens_arrive_before_the_reset(playing):
    async with playing(Script(fault=Fault.RESET, at_token=3)) as client:
        received = ""
        with pytest.raises(httpx.ReadError):
            async with client.stream() as reply:
                async for text in reply.aiter_text():
                    received += text
    assert received.count('"content":" ') == 2
    assert received.endswith("\n\n") is False


@pytest.mark.parametrize(
    ("fault", "tail"),
    [
        (Fault.NO_END, ["token", "token"]),
        (Fault.ERROR_EVENT, ["token", "token", "error"]),
        (Fault.NO_DONE, ["token", "token", "token", "finish"]),
        (Fault.TWO_ENDS, ["token", "token", "token", "finish", "done", "finish", "done"]),
        (Fault.TOKENS_AFTER_END, ["token", "token", "token", "finish", "done", "token"]),
        (Fault.BAD_JSON, ["token", "token", "broken", "finish", "done"]),
    ],
)
async def test_a_stream_ends_as_the_fault_has_it(playing, fault, tail):
    async with playing(Script(tokens=3, fault=fault)) as client:
        events = await client.events()
    assert [_kind(event) for event in events[1:]] == tail


def _kind(event):
    kinds = {"[DONE]": "done", '{"error"': "error", '"stop"': "finish", '"finish_reason":null': "token"}
    return next((kind for mark, kind in kinds.items() if mark in event), "broken")


@pytest.mark.parametrize("stream", [True, False])
async def test_invalid_utf8_is_in_the_text(playing, stream):
    async with playing(Script(fault=Fault.INVALID_UTF8)) as client:
        reply = await client.answer(stream=stream)
    assert b'"\xff\xfe' in reply.content


@pytest.mark.parametrize("stream", [True, False])
async def test_an_event_can_be_huge(playing, stream):
    async with playing(Script(fault=Fault.HUGE_EVENT, huge_bytes=1 << 20)) as client:
        reply = await client.answer(stream=stream)
    assert "x" * (1 << 20) in reply.text


async def test_a_page_comes_instead_of_json(playing):
    async with playing(Script(fault=Fault.HTML)) as client:
        reply = await client.answer(stream=True)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html")
    assert reply.text.startswith("<!doctype html>")


@pytest.mark.parametrize("stream", [True, False])
async def test_the_content_type_can_lie(playing, stream):
    async with playing(Script(fault=Fault.WRONG_CONTENT_TYPE)) as client:
        reply = await client.answer(stream=stream)
    assert reply.headers["content-type"] == "text/plain"


async def test_trickled_bytes_tear_characters_apart_and_still_add_up(playing):
    text = "é" * 20
    async with playing(Script(text=text, piece_bytes=7, piece_s=0.0001)) as client:
        reply = await client.answer(stream=True)
        assert client.text([line.removeprefix("data: ") for line in reply.text.split("\n\n") if line]) == text
