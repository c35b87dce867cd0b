"""A provider called over HTTP, in any wire format."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Self

import httpx
from pydantic_core import to_json

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2
from weft_kit.catalog.providers import HttpEntry
from weft_router.providers import encoding
from weft_router.providers.http.content_encoding import plain
from weft_router.providers.http.pool import Connections, read_out
from weft_router.providers.http.wire_format import WireFormat
from weft_router.providers.provider import ProviderError, Step, broken
from weft_router.providers.refusals.errors import ProviderAccess, error_in_body, refusal
from weft_router.providers.stream_reader import StreamReader
from weft_router.providers.tool_names import ToolNames, tool_names

EVENT_STREAM = "text/event-stream"
_ERROR_BODY_BYTES = 64 * 1024
_ERROR_BODY_LIMIT_S = 1.0
_PING = chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[chat_pb2.ContentPart(text="ping")])
_HAS_NO_LIST = (404, 405, 501)
# Servers and proxies also use these content types, or none, for streams and for answers that they do not stream.
_MAY_BE_EVENTS = (EVENT_STREAM, "", "text/plain", "application/octet-stream")
_HAVE_NO_CONTENT = (httpx.codes.NO_CONTENT, httpx.codes.RESET_CONTENT)


class HttpProvider:
    """One wire format over one pool of connections. Use as a context manager."""

    def __init__(self, entry: HttpEntry, wire_format: WireFormat, access: ProviderAccess | None = None) -> None:
        self._format = wire_format
        self._access = access or ProviderAccess()
        self._connections = Connections(entry)
        self._headers = _headers(entry, wire_format, self._access.key)
        self._takes_images = entry.takes_images

    async def __aenter__(self) -> Self:
        await self._connections.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connections.__aexit__()

    @asynccontextmanager
    async def stream(
        self, request: inference_pb2.GenerateRequest, limit_s: float
    ) -> AsyncIterator[AsyncIterator[Step]]:
        """Calls the provider; see Provider."""
        names = tool_names(request, self._format.tool_name(request.model))
        told = names.renamed(request)
        content, url = to_json(self._body(told)), self._format.url(told.model)
        async with self._connections.asking("POST", url, self._headers, limit_s, content) as response:
            await self._expect_events(response)
            async with aclosing(_steps(response, StreamReader(self._format.answer(told)), names)) as steps:
                yield steps

    def changes(self, request: inference_pb2.GenerateRequest) -> Sequence[str]:
        """Returns the settings that are refused or changed; see Provider.

        Stop texts are never listed, since the router applies them itself.
        """
        given = [field.name for field, _ in request.sampling.ListFields() if field.name != "stop"]
        refused, fitted = self._format.refused(request), self._format.fitted(request)
        without = [name for name in (*given, "thinking") if name in refused]
        others = [f"{name} {_written(fitted[name])}" for name in given if name in fitted and name not in refused]
        return [
            *([f"without {', '.join(without)}, which its model does not take"] if without else []),
            *([f"with {', '.join(others)}, as its model takes it"] if others else []),
        ]

    async def continues_prefix(self) -> bool:
        """Returns the catalog's setting."""
        return self._format.continues_prefix

    async def check(self, model: str, limit_s: float) -> None:
        """Lists the provider's models, or asks a provider without such a list for one token; see Provider."""
        url = self._format.models_url
        async with self._connections.asking("GET", url, self._headers, limit_s) as response:
            if response.status_code == httpx.codes.OK:
                _expect_json(response)
                return
            if response.status_code not in _HAS_NO_LIST:
                raise await self._refusal(response)
        request = inference_pb2.GenerateRequest(model=model, messages=[_PING])
        request.sampling.max_tokens = 1
        async with self.stream(request, limit_s) as steps:
            async for _ in steps:
                pass

    def _body(self, request: inference_pb2.GenerateRequest) -> dict[str, object]:
        if not self._takes_images:
            encoding.refuse_images(request.messages)
        return encoding.merged(self._format.body(request), self._format.extra_body(request))

    async def _expect_events(self, response: httpx.Response) -> None:
        """Raises ProviderError unless the body may be an answer."""
        if not response.is_success or response.status_code in _HAVE_NO_CONTENT:
            raise await self._refusal(response)
        content_type = _content_type(response)
        if content_type not in _MAY_BE_EVENTS and "json" not in content_type:
            if error := error_in_body(await _beginning(response)):
                raise error
            raise broken(f"answered with {content_type[:64]} where {EVENT_STREAM} was asked for")

    async def _refusal(self, response: httpx.Response) -> ProviderError:
        return refusal(response.status_code, response.headers, await _beginning(response), self._access)


def _written(number: float) -> str:
    return str(int(number) if number == int(number) else number)


def _expect_json(response: httpx.Response) -> None:
    if not _content_type(response).endswith("json"):
        raise broken("answered with something else than a list of its models; check base_url")


def _content_type(response: httpx.Response) -> str:
    content_type: str = response.headers.get("content-type", "")
    return content_type.partition(";")[0].strip().lower()


async def _beginning(response: httpx.Response) -> bytes:
    """Returns enough of an error's body to see what it says; a longer one is not an error object."""
    content = bytearray()
    # The status counts even if the connection breaks or hangs before the body says more.
    with suppress(httpx.TransportError, TimeoutError, ProviderError):
        async with asyncio.timeout(_ERROR_BODY_LIMIT_S):
            async for chunk in plain(response):
                content += chunk
                if len(content) > _ERROR_BODY_BYTES:
                    break
    return bytes(content)


async def _steps(response: httpx.Response, reading: StreamReader, names: ToolNames) -> AsyncGenerator[Step, None]:
    chunks = plain(response)
    async for chunk in chunks:
        for step in _restored(reading.read(chunk), names):
            if isinstance(step, inference_pb2.Finished):
                await read_out(chunks)
            yield step
        if reading.is_over:
            return
    for step in _restored(reading.end(), names):
        yield step


def _restored(steps: Iterable[Step], names: ToolNames) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, event_pb2.Delta):
            names.restore(step.tool_calls)
        yield step


def _headers(entry: HttpEntry, wire_format: WireFormat, key: str) -> httpx.Headers:
    plain = {"content-type": "application/json", "accept": EVENT_STREAM, "accept-encoding": "identity"}
    # A key may be anything at all: it is for its provider to refuse.
    return httpx.Headers(plain | dict(wire_format.headers(key)) | entry.headers, encoding="utf-8")
