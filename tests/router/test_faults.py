"""Everything a provider can do wrong: what becomes of the job, in how many attempts and how long, and that none leaks.

The first provider misbehaves, the second is well. A job that one provider cannot answer is answered by the other.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest
import trustme
from tests.router.harness import Harness, asking
from tests.support.transcript import text_of

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_mock import Fault, MockProvider, Script

ANSWER = "From the one that is well."
LIMITS = "timeouts = { first_token_s = 1, between_tokens_s = 1, total_s = 6 }"
FLOOR = "throughput = { tokens_per_s = 10, over_s = 0.5 }"
# Bounds for a busy machine. Whoever waited for a timeout took 1 s at least; whoever waited for a second one, 6 s.
LONG_S = 5.0
QUICK_S = 0.9


@dataclass(frozen=True)
class Row:
    """One fault. The job takes between `after_s` and `within_s` seconds; `reason` is the first attempt's failure.

    Without a `reason` the provider is none the worse for it.
    """

    name: str
    script: Script
    reason: str = ""
    after_s: float = 0.0
    within_s: float = QUICK_S


BROKEN, TIMEOUT = "PROVIDER_STREAM_BROKEN", "PROVIDER_TIMEOUT"
SAID = Script(text="One two three four five six seven eight.")


def spoilt(fault: Fault) -> Script:
    return Script(text=SAID.text, fault=fault, at_token=2)


def status(code: int, retry_after: str = "") -> Script:
    return Script(status=code, retry_after=retry_after)


ROWS = [
    Row("hang before headers", spoilt(Fault.HANG_BEFORE_HEADERS), TIMEOUT, after_s=0.9, within_s=LONG_S),
    Row("hang after headers", spoilt(Fault.HANG_AFTER_HEADERS), TIMEOUT, after_s=0.9, within_s=LONG_S),
    Row("hang mid-stream", spoilt(Fault.HANG), TIMEOUT, after_s=0.9, within_s=LONG_S),
    Row("trickle", Script(tokens=200, tokens_per_second=5), TIMEOUT, after_s=0.4, within_s=LONG_S),
    Row("reset mid-event", spoilt(Fault.RESET), BROKEN),
    Row("close inside the body", spoilt(Fault.CLOSE), BROKEN),
    Row("clean close without end marker", spoilt(Fault.NO_END), BROKEN),
    Row("400", status(400), "PROVIDER_REJECTED"),
    Row("401", status(401), "PROVIDER_ERROR"),
    Row("403", status(403), "PROVIDER_ERROR"),
    Row("404", status(404), "PROVIDER_ERROR"),
    Row("408", status(408), TIMEOUT),
    Row("413", status(413), "PROVIDER_REJECTED"),
    Row("429", status(429), "PROVIDER_OVERLOADED"),
    Row("429 with Retry-After", status(429, "20"), "PROVIDER_OVERLOADED"),
    Row("500", status(500), "PROVIDER_ERROR"),
    Row("502", status(502), "PROVIDER_ERROR"),
    Row("503", status(503), "PROVIDER_OVERLOADED"),
    Row("529", status(529), "PROVIDER_OVERLOADED"),
    Row("error inside a 200 stream", spoilt(Fault.ERROR_EVENT), "PROVIDER_ERROR"),
    Row("HTML for JSON", Script(fault=Fault.HTML), BROKEN),
    Row("HTML with 502", Script(fault=Fault.HTML, status=502), "PROVIDER_ERROR"),
    Row("event that is no JSON", spoilt(Fault.BAD_JSON), BROKEN),
    Row("invalid UTF-8", spoilt(Fault.INVALID_UTF8), BROKEN),
    Row(
        "50 MB event",
        Script(text=SAID.text, fault=Fault.HUGE_EVENT, at_token=2, huge_bytes=50 << 20),
        BROKEN,
        within_s=LONG_S,
    ),
    Row("usage missing", Script(text=ANSWER, usage=False)),
    Row("wrong content type", Script(text=ANSWER, fault=Fault.WRONG_CONTENT_TYPE)),
    Row("finish reason without end marker", Script(text=ANSWER, fault=Fault.NO_DONE)),
    Row("two end markers", Script(text=ANSWER, fault=Fault.TWO_ENDS)),
    Row("tokens after the end marker", Script(text=ANSWER, fault=Fault.TOKENS_AFTER_END)),
]


def catalog(first: str, second: str, settings: str = "") -> str:
    return (
        f'[providers.bad]\nkind = "openai"\nbase_url = "{first}"\nconnect_timeout_s = 0.5\n{settings}\n'
        f'[providers.good]\nkind = "openai"\nbase_url = "{second}"\n'
        f'[models.default]\nroutes = [{{ provider = "bad", model = "m" }}, {{ provider = "good", model = "m" }}]\n'
        f"{LIMITS}\n{FLOOR}\n"
        '[models.well]\nroutes = [{ provider = "good", model = "m" }]\n'
    )


def first_reason(done: job_pb2.Job | object) -> str:
    reason = done.attempts[0].error.reason  # type: ignore[attr-defined]
    return error_pb2.ErrorReason.Name(reason).removeprefix("ERROR_REASON_")


@asynccontextmanager
async def nothing_left_behind(harness: Harness, *mocks: MockProvider) -> AsyncIterator[None]:
    """Counts tasks and calls before and after, once all that a router keeps running runs; connections go with it."""
    before = asyncio.all_tasks()
    async with harness.routing():
        await harness.done(await harness.submit(asking(model="well")))
        await harness.until_acknowledged()
        at_work = len(asyncio.all_tasks() - before)
        yield
        await harness.until_acknowledged()
        await harness.until(lambda: all(mock.stats.in_flight == 0 for mock in mocks))
        await harness.until(lambda: len(asyncio.all_tasks() - before) <= at_work)
    await harness.until(lambda: all(mock.stats.connections_open == 0 for mock in mocks))
    await harness.until(lambda: not {task for task in asyncio.all_tasks() - before if not _is_a_mocks(task)})


def _is_a_mocks(task: "asyncio.Task[object]") -> bool:
    return "weft_mock" in repr(task.get_coro())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_fault_costs_at_most_an_attempt(
    harness: Harness, mock: MockProvider, mock_url: str, second: MockProvider, second_url: str, row: Row
) -> None:
    mock.play(row.script)
    second.play(Script(text=ANSWER))
    harness.catalog(catalog(mock_url, second_url))
    async with nothing_left_behind(harness, mock, second):
        began = time.monotonic()
        events = await harness.events(await harness.submit())
        took_s = time.monotonic() - began

    done = events[-1].done
    assert row.after_s <= took_s < row.within_s
    assert text_of(events) == done.answer.text
    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_SUCCEEDED, ANSWER)
    assert [attempt.provider for attempt in done.attempts] == (["bad", "good"] if row.reason else ["bad"])
    if row.reason:
        assert first_reason(done) == row.reason


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def refusing() -> AsyncIterator[str]:
    """A port where nobody listens, though somebody holds it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"


@asynccontextmanager
async def nameless() -> AsyncIterator[str]:
    yield "http://no-such-host.invalid/v1"


@asynccontextmanager
async def untrusted() -> AsyncIterator[str]:
    """A server whose certificate nobody vouches for."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with listening(lambda _reader, writer: writer.close(), context) as port:
        yield f"https://127.0.0.1:{port}/v1"


@asynccontextmanager
async def bombing() -> AsyncIterator[str]:
    """A server that compresses, unasked, a gigabyte into a megabyte."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n"
        writer.write(f"{head}content-length: {1 << 20}\r\n\r\n".encode() + b"\x1f\x8b\x08" + bytes(1 << 20))
        writer.close()

    async with listening(answer) as port:
        yield f"http://127.0.0.1:{port}/v1"


@asynccontextmanager
async def listening(answer: Answer, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)  # type: ignore[arg-type]
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("upstream", "reason"),
    [
        (refusing, "PROVIDER_UNREACHABLE"),
        (nameless, "PROVIDER_UNREACHABLE"),
        (untrusted, "PROVIDER_UNREACHABLE"),
        (bombing, BROKEN),
    ],
    ids=["refused connection", "DNS failure", "TLS error", "gzip bomb"],
)
async def test_a_server_that_is_none_costs_at_most_an_attempt(
    harness: Harness,
    second: MockProvider,
    second_url: str,
    upstream: Callable[[], AbstractAsyncContextManager[str]],
    reason: str,
) -> None:
    second.play(Script(text=ANSWER))
    async with upstream() as url:
        harness.catalog(catalog(url, second_url, "keep_warm_s = 0"))
        async with nothing_left_behind(harness, second):
            began = time.monotonic()
            done = await harness.done(await harness.submit())
            took_s = time.monotonic() - began

    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_SUCCEEDED, ANSWER)
    assert [attempt.provider for attempt in done.attempts] == ["bad", "good"]
    assert first_reason(done) == reason
    assert took_s < LONG_S
