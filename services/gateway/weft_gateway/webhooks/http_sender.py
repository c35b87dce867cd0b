"""Sends webhooks. The tenant chooses the target, so it is not trusted: it must not be inside our own network."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

import httpx
from httpx import URL

from weft_gateway.webhooks.backoff import retry_after_s
from weft_gateway.webhooks.deliveries import DeliveryOutcome, no_public_address, outcome_of
from weft_gateway.webhooks.public_addresses import private_address

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_MOST_ADDRESSES: Final = 4
_NOT_CONNECTED: Final = (httpx.ConnectError, httpx.ConnectTimeout)
_PORTS: Final = {"http": 80, "https": 443}


class HttpSender:
    """Posts JSON.

    It connects to exactly the addresses that were checked, and does not follow redirects: otherwise a name that
    resolves differently the second time, or a response, could still lead inside.
    """

    def __init__(
        self, resolve: Resolve, *, limit_s: float = 15.0, allow_private: bool = False, tls: ssl.SSLContext | None = None
    ) -> None:
        self._resolve = resolve
        self._limit_s = limit_s
        self._allow_private = allow_private
        # trust_env=False: a proxy from the environment would resolve the name again. No connection is kept: the pool
        # knows them by address, and would give one whose certificate was checked for another name.
        self._client = httpx.AsyncClient(
            # The attempt as a whole has its limit; one address that drops packets must leave time for the next.
            timeout=httpx.Timeout(None, connect=limit_s / 3),
            follow_redirects=False,
            trust_env=False,
            verify=tls or True,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> DeliveryOutcome:
        """Makes one attempt, for at most `limit_s` once the name is resolved. Never raises for what the target does."""
        try:
            target = URL(url)
            addresses = await self._resolve(_host(target), target.port or _PORTS[target.scheme])
        except (OSError, httpx.InvalidURL) as error:
            return no_public_address(repr(error))
        private = None if self._allow_private else private_address(addresses)
        if private:
            return no_public_address(f"{private} is not a public address")
        try:
            async with asyncio.timeout(self._limit_s):
                return await self._post_to_first(target, addresses, headers, body)
        except TimeoutError:
            return DeliveryOutcome(f"no answer within {self._limit_s:g} s")
        except (OSError, *_NOT_CONNECTED) as error:
            return DeliveryOutcome(f"not reachable: {type(error).__name__}")
        except httpx.HTTPError as error:
            return DeliveryOutcome(f"no proper answer: {type(error).__name__}")

    async def _post_to_first(
        self, target: URL, addresses: Sequence[str], headers: Mapping[str, str], body: bytes
    ) -> DeliveryOutcome:
        """Posts to the first of the best few addresses that accepts a connection."""
        *others, last = addresses[:_MOST_ADDRESSES]
        for address in others:
            try:
                return await self._post_to(target, address, headers, body)
            except _NOT_CONNECTED:
                continue
        return await self._post_to(target, last, headers, body)

    async def _post_to(self, target: URL, address: str, headers: Mapping[str, str], body: bytes) -> DeliveryOutcome:
        # The connection goes to the address; the name stays in the Host header and in TLS, which proves it.
        request = self._client.build_request(
            "POST",
            target.copy_with(host=address),
            content=body,
            headers={
                "host": target.netloc.decode(),
                "content-type": "application/json",
                "user-agent": "weft-webhooks/1",
                **headers,
            },
            extensions={"sni_hostname": _host(target)},
        )
        # Streamed and left unread: the response body may be endless and does not matter.
        response = await self._client.send(request, stream=True)
        await response.aclose()
        wait_s = retry_after_s(response.headers.get("retry-after"), datetime.now(UTC))
        return outcome_of(response.status_code, wait_s)


def _host(target: URL) -> str:
    """Returns the host name in the form that DNS and TLS use."""
    return target.raw_host.decode()
