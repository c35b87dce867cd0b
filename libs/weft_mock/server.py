"""An OpenAI-compatible provider that does exactly what it is told, well or badly."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TypeVar

from weft_mock import wire
from weft_mock.chat import ChatRequest
from weft_mock.connection import MockConnection
from weft_mock.ledger import Ledger
from weft_mock.performance import Performance, error_body
from weft_mock.script import Script, rewritten

_KEPT = 1000  # requests, and aborts, that were not awaited yet
_T = TypeVar("_T")


@dataclass(slots=True)
class Stats:
    """What the mock has seen since it started."""

    connections_open: int = 0
    connections_total: int = 0
    requests: int = 0
    in_flight: int = 0
    finished: int = 0
    aborted: int = 0
    last_abort_unix_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Abort:
    """A request whose client left before the answer was complete."""

    chat: ChatRequest
    after_s: float  # since the request was read
    at: float  # loop time


class MockProvider:
    """Serves POST /v1/chat/completions, GET /v1/models and, for tests in other processes, what it has seen.

    GET /stats counts everything, GET /prompts counts the requests by prompt (its first 200 characters), GET /aborts
    lists the latest abandoned answers.

    With several scripts, each serves one request, and the last one serves all that follow. A request can change single
    fields of its script, in the header `x-mock-script` or after a "?" in the model's name:
    `mock?status=429&retry_after=1`.
    """

    def __init__(self, *scripts: Script) -> None:
        self.stats = Stats()
        self.ledger = Ledger()
        self.play(*(scripts or (Script(),)))
        self._requests: asyncio.Queue[ChatRequest] = asyncio.Queue(_KEPT)
        self._aborts: asyncio.Queue[Abort] = asyncio.Queue(_KEPT)
        self._connections: set[MockConnection] = set()

    def play(self, *scripts: Script) -> None:
        """Replaces the scripts, from the next request on."""
        self._scripts = deque(scripts)

    async def next_request(self) -> ChatRequest:
        """Returns the oldest request not returned yet; waits for one if there is none."""
        return await self._requests.get()

    async def next_abort(self) -> Abort:
        """Returns the oldest abort not returned yet; waits for one if there is none."""
        return await self._aborts.get()

    @asynccontextmanager
    async def running(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serves while the context lasts; yields the base URL, which ends in /v1."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: MockConnection(self._answer, self._opened, self._closed), host, port, backlog=1024
        )
        try:
            yield f"http://{host}:{server.sockets[0].getsockname()[1]}/v1"
        finally:
            server.close()
            for connection in list(self._connections):
                connection.reset()
            await server.wait_closed()

    def _opened(self, connection: MockConnection) -> None:
        self._connections.add(connection)
        self.stats.connections_open += 1
        self.stats.connections_total += 1

    def _closed(self, connection: MockConnection) -> None:
        self._connections.discard(connection)
        self.stats.connections_open -= 1

    async def _answer(self, request: wire.HttpRequest, connection: MockConnection) -> None:
        match request.method, request.path:
            case "POST", "/v1/chat/completions":
                await self._complete(request, connection)
            case "GET", "/v1/models":
                models = {"object": "list", "data": [{"id": "mock", "object": "model", "owned_by": "weft"}]}
                _show(connection, models)
            case "GET", "/stats":
                _show(connection, asdict(self.stats))
            case "GET", "/prompts":
                _show(connection, self.ledger.prompts)
            case "GET", "/aborts":
                _show(connection, [asdict(left) for left in self.ledger.left])
            case _:
                body = error_body(404, f"no {request.method} {request.path} here; see MockProvider")
                connection.write(wire.whole(404, wire.JSON, body))

    async def _complete(self, request: wire.HttpRequest, connection: MockConnection) -> None:
        try:
            chat = ChatRequest.parse(request.body, request.headers)
            script = rewritten(self._next_script(), chat.script_query)
        except ValueError as error:
            connection.write(wire.whole(400, wire.JSON, error_body(400, str(error))))
            return
        self.ledger.asked(chat.messages)
        _record(self._requests, chat)
        await self._perform(Performance(script, chat, connection), chat, connection)

    async def _perform(self, performance: Performance, chat: ChatRequest, connection: MockConnection) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.stats.requests += 1
        self.stats.in_flight += 1
        try:
            await performance.play()
            self.stats.finished += 1
        except asyncio.CancelledError:
            if not connection.closed_by_us:
                self._aborted(Abort(chat, loop.time() - began, loop.time()))
            raise
        finally:
            self.stats.in_flight -= 1

    def _aborted(self, abort: Abort) -> None:
        self.stats.aborted += 1
        self.ledger.aborted(abort.chat.messages, abort.after_s)
        self.stats.last_abort_unix_s = self.ledger.left[-1].unix_s
        _record(self._aborts, abort)

    def _next_script(self) -> Script:
        return self._scripts.popleft() if len(self._scripts) > 1 else self._scripts[0]


def _show(connection: MockConnection, value: object) -> None:
    connection.write(wire.whole(200, wire.JSON, json.dumps(value).encode()))


def _record(queue: asyncio.Queue[_T], item: _T) -> None:
    """Keeps only the latest items, so that a bench that awaits none of them does not grow."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(item)
