"""Connections to one provider: pooled, kept warm, closed at the end; failures become ProviderError."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from weft.common.v1 import error_pb2
from weft_kit.catalog.providers import HttpEntry
from weft_kit.tasks import ended
from weft_router.providers.provider import ProviderError, broken

_KEEPALIVE_S = 15.0
_LAST_BYTES_LIMIT_S = 0.05


class Connections:
    """The pool of one base URL. Use as a context manager.

    httpx's own pool checks every connection for every request: 9 ms of CPU per call with 64 in flight, against 0.4 ms
    with aiohttp's, which outweighs the HTTP/2 that only httpx's has. Its client would add redirects, cookies and a
    second pass over every header, which no call to a provider needs, so requests go straight to the transport.
    """

    def __init__(self, entry: HttpEntry) -> None:
        self._base_url = httpx.URL(str(entry.base_url))
        self._connect_timeout_s = entry.connect_timeout_s
        self._keep_warm_s = entry.keep_warm_s if self._base_url.scheme == "https" else 0.0
        limits = httpx.Limits(
            max_connections=entry.max_connections,
            max_keepalive_connections=entry.max_connections,
            # A connection must outlive the pause between two calls that keep it warm.
            keepalive_expiry=max(_KEEPALIVE_S, 2 * self._keep_warm_s),
        )
        trusted = ssl.create_default_context(cafile=entry.ca_file) if entry.ca_file else True
        self._transport = AiohttpTransport(verify=trusted, limits=limits)
        self._used_at = 0.0
        self._warming: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._keep_warm_s:
            self._warming = asyncio.create_task(self._keep_warm())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._warming:
            await ended(self._warming)
        await self._transport.aclose()

    @asynccontextmanager
    async def asking(
        self, method: str, url: httpx.URL, headers: httpx.Headers, limit_s: float, content: bytes = b""
    ) -> AsyncIterator[httpx.Response]:
        """Sends a request and yields its response once the headers have arrived; leaving closes an unread response.

        Raises:
            ProviderError: the connection failed, inside the context too.
        """
        self._used_at = time.monotonic()
        try:
            response = await self._transport.handle_async_request(self._request(method, url, headers, limit_s, content))
            try:
                yield response
            finally:
                await response.aclose()
        except (httpx.TransportError, aiohttp.ClientError) as error:
            raise _failure(url.host, error) from None

    async def warm(self) -> None:
        """Opens a connection in advance; a failure is left for the next call to report."""
        limit_s = self._connect_timeout_s
        with suppress(ProviderError, TimeoutError):
            async with asyncio.timeout(limit_s), self.asking("HEAD", self._base_url, httpx.Headers(), limit_s):
                pass

    def _request(
        self, method: str, url: httpx.URL, headers: httpx.Headers, limit_s: float, content: bytes
    ) -> httpx.Request:
        """Returns a request with these headers alone: the transport adds its own, and httpx's would take most time."""
        timeout = {"connect": self._connect_timeout_s, "read": limit_s, "pool": limit_s}
        stream = httpx.ByteStream(content)
        request = httpx.Request(method, url, headers=headers, stream=stream, extensions={"timeout": timeout})
        request.read()
        return request

    async def _keep_warm(self) -> None:
        while True:
            idle_s = time.monotonic() - self._used_at
            if not self._used_at or idle_s >= self._keep_warm_s:
                await self.warm()
                idle_s = 0.0
            await asyncio.sleep(self._keep_warm_s - idle_s)


async def read_out(chunks: AsyncIterator[bytes]) -> None:
    """Reads the rest of a response, usually nothing: a connection is reused only after its body was fully read."""
    with suppress(TimeoutError, httpx.TransportError):
        async with asyncio.timeout(_LAST_BYTES_LIMIT_S):
            async for _ in chunks:
                pass


def _failure(host: str, error: Exception) -> ProviderError:
    match error:
        case httpx.ReadTimeout():
            message = f"{host} was silent for too long; raise the model's timeouts or ask for less"
            return ProviderError(error_pb2.ERROR_REASON_PROVIDER_TIMEOUT, message)
        case httpx.TransportError() if isinstance(error.__cause__, aiohttp.ClientSSLError):
            message = f"{host} cannot be trusted: TLS failed; check base_url, its certificate, and ca_file"
            return ProviderError(error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE, message)
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.ProxyError():
            message = f"{host} cannot be reached; check base_url and that the provider is up"
            return ProviderError(error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE, message)
        case aiohttp.ClientError():
            return broken("answered with something that is not HTTP")
    return broken("broke the connection off")
