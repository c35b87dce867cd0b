"""The NATS client: it reads what nats-py reads, however it comes, and replies find who asked."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import nats.protocol.parser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from weft_kit.joblog.connection.connection import connect
from weft_kit.joblog.connection.frugal_client import FrugalClient, _Parser

HEADERS = b"NATS/1.0\r\nNats-Sequence: 7\r\n\r\n"


class _Heard:
    """Takes down what a parser says to its client."""

    def __init__(self) -> None:
        self.words: list[object] = []

    def __getattr__(self, name: str) -> Callable[..., Awaitable[None]]:
        async def take(*said: object) -> None:
            # nats-py says None where there are no headers, and the client takes either.
            self.words.append((name, *(each or None if isinstance(each, bytes) else each for each in said)))

        return take


def _message(subject: bytes, reply: bytes, payload: bytes) -> bytes:
    return b"MSG %b 12 %b%d\r\n%b\r\n" % (subject, reply + b" " if reply else b"", len(payload), payload)


def _message_with_headers(subject: bytes, reply: bytes, payload: bytes) -> bytes:
    place = reply + b" " if reply else b""
    size = len(HEADERS) + len(payload)
    return b"HMSG %b 3 %b%d %d\r\n%b%b\r\n" % (subject, place, len(HEADERS), size, HEADERS, payload)


SUBJECTS = st.sampled_from([b"a", b"a.b.c", b"weft.jobs.lane.key.delta"])
REPLIES = st.sampled_from([b"", b"_INBOX.x.1"])
PAYLOADS = st.one_of(st.binary(max_size=40), st.sampled_from([b"\r\n", b"MSG a 1 5\r\n", b"PING\r\n"]))
MESSAGES = st.builds(
    lambda form, subject, reply, payload: form(subject, reply, payload),
    st.sampled_from([_message, _message_with_headers]),
    SUBJECTS,
    REPLIES,
    PAYLOADS,
)
OTHERS = st.sampled_from([b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b'INFO {"max_payload":1}\r\n', b"-ERR 'Stale'\r\n"])


async def _heard(parser_of: Callable[[object], nats.protocol.parser.Parser], chunks: list[bytes]) -> list[object]:
    heard = _Heard()
    parser = parser_of(heard)
    for chunk in chunks:
        await parser.parse(chunk)
    return heard.words


@given(st.lists(st.one_of(MESSAGES, OTHERS), max_size=8), st.lists(st.integers(0, 400), max_size=6))
def test_whatever_comes_is_read_as_nats_py_reads_it_wherever_it_is_cut(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[begin:end] for begin, end in itertools.pairwise(edges)]
    theirs = asyncio.run(_heard(nats.protocol.parser.Parser, [stream]))
    assert asyncio.run(_heard(_Parser, chunks)) == theirs
    assert len(theirs) == sum(part != b"+OK\r\n" for part in parts)


async def test_replies_find_who_asked_in_whatever_order_they_come(nats_url: str) -> None:
    asked: list[Msg] = []

    async with connect(nats_url, "test") as client, connect(nats_url, "test") as other:
        await other.listen("test.echo", asked.append)
        await other.flush()
        requests = [asyncio.create_task(client.request("test.echo", b"%d" % n, timeout=30)) for n in range(50)]
        while len(asked) < len(requests):
            await client.flush()
            await other.flush()
        for message in reversed(asked):
            await message.respond(message.data)
        assert [(await request).data for request in requests] == [b"%d" % n for n in range(50)]


async def test_a_request_that_nobody_answers_says_so(nats_url: str) -> None:
    async with connect(nats_url, "test") as client:
        with pytest.raises(NoRespondersError):
            await client.request("test.nobody", b"", timeout=30)
        await client.listen("test.silent", lambda _: None)
        with pytest.raises(NatsTimeout):
            await client.request("test.silent", b"", timeout=0.01)


async def test_many_replies_to_one_request_come_in_order_up_to_the_one_with_a_status(nats_url: str) -> None:
    async with connect(nats_url, "test") as client, connect(nats_url, "test") as other:

        async def answer(question: Msg) -> None:
            for n in range(100):
                await other.publish(question.reply, b"%d" % n)
            await other.publish(question.reply, b"", headers={"Status": "204"})
            await other.publish(question.reply, b"after the end")

        await other.subscribe("test.many", cb=answer)
        await other.flush()
        both = await asyncio.gather(*(client.request_many("test.many", b"", 30) for _ in range(2)))
        for replies in both:
            *messages, end = replies
            assert [message.data for message in messages] == [b"%d" % n for n in range(100)]
            assert end.headers == {"Status": "204"}


async def test_many_replies_may_take_longer_than_the_silence_between_them(nats_url: str) -> None:
    async with connect(nats_url, "test") as client, connect(nats_url, "test") as other:
        asked: asyncio.Queue[Msg] = asyncio.Queue()
        await other.listen("test.slow", asked.put_nowait)
        await other.flush()
        request = asyncio.create_task(client.request_many("test.slow", b"", 0.2))
        question = await asked.get()
        began = asyncio.get_running_loop().time()
        while not request.done():
            await other.publish(question.reply, b"more")
            await asyncio.sleep(0.01)
            if asyncio.get_running_loop().time() - began > 0.5:
                await other.publish(question.reply, b"", headers={"Status": "204"})
                await other.flush()
        assert len(await request) > 2
        with pytest.raises(NatsTimeout):
            await client.request_many("test.slow", b"", 0.01)


async def test_a_cancelled_request_leaves_nothing_behind(nats_url: str) -> None:
    async with connect(nats_url, "test") as client:
        await client.listen("test.silent", lambda _: None)
        request = asyncio.create_task(client.request("test.silent", b"", timeout=30))
        await client.flush()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert not client._replies


async def test_headers_arrive_as_they_were_sent(nats_url: str) -> None:
    async with connect(nats_url, "test") as client:
        message = await _sent(client, {"Nats-Expected-Last-Subject-Sequence": "12", "Weft-Write": "é"})
    assert message.headers == {"Nats-Expected-Last-Subject-Sequence": "12", "Weft-Write": "é"}
    assert (message.subject, message.reply, message.data) == ("test.headers", "test.reply", b"\r\nx")


async def test_messages_keep_their_order_while_the_connection_is_slower_than_their_sender(nats_url: str) -> None:
    came: list[bytes] = []
    async with connect(nats_url, "test") as client, connect(nats_url, "test") as other:
        await other.listen("test.order", lambda message: came.append(message.data[:5]))
        await other.flush()
        for n in range(0, 4000, 2):
            client.post("test.order", b"%05d" % n)
            await client.publish("test.order", b"%05d" % (n + 1) + bytes(1000))
        while len(came) < 4000:
            await client.flush()
            await other.flush()
    assert came == [b"%05d" % n for n in range(4000)]


async def test_a_message_alone_is_sent_at_once(nats_url: str) -> None:
    async with connect(nats_url, "test") as client:
        await client.flush()
        client.post("test.prompt", b"x")
        assert not client._pending


async def test_one_message_that_cannot_be_taken_in_stops_no_other(nats_url: str) -> None:
    taken: asyncio.Queue[bytes] = asyncio.Queue()

    def take(message: Msg) -> None:
        if message.data == b"bad":
            raise ValueError
        taken.put_nowait(message.data)

    async with connect(nats_url, "test") as client:
        await client.listen("test.some", take)
        await client.publish("test.some", b"bad")
        await client.publish("test.some", b"good")
        assert await taken.get() == b"good"


async def _sent(client: FrugalClient, headers: dict[str, str]) -> Msg:
    came: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
    await client.listen("test.headers", came.set_result)
    await client.publish("test.headers", b"\r\nx", "test.reply", headers)
    return await came
