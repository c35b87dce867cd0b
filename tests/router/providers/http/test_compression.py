"""Answers and refusals are read however they are encoded, and never more of them than is bounded."""

import zlib

import pytest
from tests.router import recorded
from tests.router.providers.http.harness import answer, failure, on
from tests.router.scripted_server import EVENTS, JSON, Reply, ScriptedServer

from weft.common.v1 import error_pb2
from weft_router.providers.provider import Remedy


def zlibbed(content: bytes, bits: int) -> bytes:
    compressing = zlib.compressobj(wbits=bits)
    return compressing.compress(content) + compressing.flush()


ENCODINGS = {"identity": 0, "Identity, identity": 0, "none": 0, "gzip": 31, "x-gzip": 31, "GZIP": 31, "deflate": 15}


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_a_stream_is_read_however_it_is_encoded(encoding: str) -> None:
    """RFC 9110, section 8.4.1; https://github.com/editor-code-assistant/eca/pull/479: not all heed what is accepted."""
    raw, bits = recorded.raw("openai-text"), ENCODINGS[encoding]
    headers = {"content-encoding": encoding}
    async with on(
        ScriptedServer(Reply(content_type=EVENTS, body=zlibbed(raw, bits) if bits else raw, headers=headers))
    ) as it:
        assert await answer(it) == recorded.read(recorded.answer("openai-text"), [raw])


async def test_a_refusal_is_understood_however_it_is_encoded() -> None:
    body = zlibbed(b'{"error": {"message": "m", "code": "context_length_exceeded"}}', 31)
    async with on(ScriptedServer(Reply(400, JSON, body, {"content-encoding": "gzip"}))) as provider:
        assert (await failure(provider)).remedy is Remedy.ANOTHER_ROUTE


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"\x1f\x8b" + b"\0" * 100),
        ("gzip", zlibbed(recorded.raw("openai-text"), 31)[:100]),
        ("deflate", b"data: [DONE]"),
        ("br", b"\x8b\x02\x80"),
        ("gzip, gzip", zlibbed(zlibbed(recorded.raw("openai-text"), 31), 31)),
    ],
)
async def test_a_stream_that_cannot_be_inflated_is_a_failure(encoding: str, body: bytes) -> None:
    reply = Reply(content_type=EVENTS, body=body, headers={"content-encoding": encoding})
    async with on(ScriptedServer(reply)) as provider:
        assert (await failure(provider)).reason == error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN


async def test_a_bomb_is_inflated_only_so_far() -> None:
    """Some 300 KB that come to 300 MB of heartbeats, which are no part of any answer's size."""
    compressing, heartbeats = zlib.compressobj(wbits=31), (b"data: {}\n:" + b" " * 65525 + b"\n\n") * 16
    body = b"".join(compressing.compress(heartbeats) for _ in range(300)) + compressing.flush()
    async with on(
        ScriptedServer(Reply(content_type=EVENTS, body=body, headers={"content-encoding": "gzip"}))
    ) as provider:
        assert "compressed more than" in (await failure(provider)).message
