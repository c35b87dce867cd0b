"""Anything that speaks OpenAI's chat completions over HTTP."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Self

import httpx
from httpx_aiohttp import AiohttpTransport
from pydantic_core import to_json

from weft.common.v1 import error_pb2
from weft.inference.v1 import inference_pb2
from weft_kit import catalog
from weft_router.providers.event_stream import EventStream
from weft_router.providers.openai_answer import END, ChatAnswer
from weft_router.providers.openai_errors import refusal
from weft_router.providers.openai_request import body
from weft_router.providers.port import ProviderError, Step, broken

EVENT_STREAM = "text/event-stream"
_ERROR_BODY_BYTES = 64 * 1024
_LAST_BYTES_LIMIT_S = 0.05


class OpenAIProvider:
    """One base URL and its pool of connections. Use as a context manager."""

    def __init__(self, entry: catalog.OpenAIProvider, api_key: str | None) -> None:
        limits = httpx.Limits(
            max_connections=entry.max_connections, max_keepalive_connections=entry.max_connections, keepalive_expiry=15
        )
        # httpx's own pool looks at every connection for every request: 9 ms of CPU a call at 64 in flight, where
        # aiohttp's takes 0.4. Its client would add redirects, cookies and a second look at every header; no call to a
        # provider wants those, so requests go straight to the transport.
        self._transport = AiohttpTransport(limits=limits)
        self._headers = _headers(api_key)
        self._connect_timeout_s = entry.connect_timeout_s
        self._url = httpx.URL(f"{str(entry.base_url).rstrip('/')}/chat/completions")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.aclose()

    @asynccontextmanager
    async def stream(
        self, request: inference_pb2.GenerateRequest, limit_s: float
    ) -> AsyncIterator[AsyncIterator[Step]]:
        """Ask the provider; see the port."""
        response = await self._answer(to_json(body(request)), limit_s)
        try:
            await _check(response)
            async with aclosing(_steps(response)) as steps:
                yield steps
        except httpx.TransportError as error:
            raise self._failure(error) from None
        finally:
            await response.aclose()

    async def continues_prefix(self) -> bool:
        """Say no: chat completions answer a last assistant message, they do not go on with it."""
        return False

    async def _answer(self, content: bytes, limit_s: float) -> httpx.Response:
        timeout = httpx.Timeout(limit_s, connect=self._connect_timeout_s).as_dict()
        extensions = {"timeout": timeout}
        request = httpx.Request("POST", self._url, content=content, headers=self._headers, extensions=extensions)
        try:
            return await self._transport.handle_async_request(request)
        except httpx.TransportError as error:
            raise self._failure(error) from None

    def _failure(self, error: httpx.TransportError) -> ProviderError:
        match error:
            case httpx.ReadTimeout():
                message = f"{self._url.host} was silent for too long; raise the model's timeouts or ask for less"
                return ProviderError(error_pb2.ERROR_REASON_PROVIDER_TIMEOUT, message)
            case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.ProxyError():
                message = f"{self._url.host} cannot be reached; check base_url and that the provider is up"
                return ProviderError(error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE, message)
        return broken("broke the connection off")


async def _check(response: httpx.Response) -> None:
    """Raise ProviderError unless a stream of events follows."""
    if response.status_code != httpx.codes.OK:
        raise refusal(response.status_code, response.headers, await _beginning(response))
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != EVENT_STREAM:
        raise broken(f"answered with {content_type[:64] or 'no content type'} where {EVENT_STREAM} was asked for")
    if "content-encoding" in response.headers:
        raise broken("compressed a stream that was asked for as it is")


async def _beginning(response: httpx.Response) -> bytes:
    """Read enough of an error's body to see what it says; a longer one is no error object."""
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > _ERROR_BODY_BYTES:
            break
    return bytes(content)


async def _steps(response: httpx.Response) -> AsyncGenerator[Step, None]:
    """Yield what each piece from the network says, taken together: cost is by the step, not by the token."""
    answer = ChatAnswer()
    pieces = _pieces(response)
    async for events in pieces:
        for data in events:
            if data == END:
                finished = answer.finish()
                if said := answer.take():
                    yield said
                await _read_out(pieces)
                yield finished
                return
            answer.read(data)
        if said := answer.take():
            yield said
        if usage := answer.take_usage():
            yield usage
    raise broken("ended its stream without the end marker")


async def _pieces(response: httpx.Response) -> AsyncIterator[list[str]]:
    stream = EventStream()
    async for chunk in response.aiter_raw():
        yield stream.read(chunk)
    yield stream.end()


async def _read_out(pieces: AsyncIterator[list[str]]) -> None:
    """Read what is left behind the end marker: usually nothing, but only a body read whole keeps its connection."""
    with suppress(TimeoutError, ProviderError, httpx.TransportError):
        async with asyncio.timeout(_LAST_BYTES_LIMIT_S):
            async for _ in pieces:
                pass


def _headers(api_key: str | None) -> dict[str, str]:
    headers = {"content-type": "application/json", "accept": EVENT_STREAM, "accept-encoding": "identity"}
    return headers | ({"authorization": f"Bearer {api_key}"} if api_key else {})
