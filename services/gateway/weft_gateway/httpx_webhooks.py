"""Posting to webhooks. The target is the tenant's word, so it is not trusted: it must not lead into our own network."""

import asyncio
import socket
from types import TracebackType
from typing import Self

import httpx
from httpx import URL

from weft_gateway.webhooks import Outcome, private_address


class WebhookPoster:
    """Posts JSON.

    The address that was checked is the one connected to, and redirects are not followed: otherwise a name that
    resolves differently the second time, or an answer, could still lead inside.
    """

    def __init__(self, *, limit_s: float = 10.0, allow_private: bool = False) -> None:
        self._limit_s = limit_s
        self._allow_private = allow_private
        # trust_env=False: a proxy from the environment would resolve the name again.
        self._client = httpx.AsyncClient(timeout=limit_s, follow_redirects=False, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def post(self, url: str, delivery_id: str, body: bytes) -> Outcome:
        """Tries once, for at most `limit_s`. Never raises for what the target does."""
        target = URL(url)
        try:
            async with asyncio.timeout(self._limit_s):
                addresses = await _resolve(target)
                private = None if self._allow_private else private_address(addresses)
                if private:
                    return Outcome(delivered=False, final=True, text=f"refused: {private} is not a public address")
                return await self._post_to(target, addresses[0], delivery_id, body)
        except TimeoutError:
            return Outcome(delivered=False, final=False, text=f"no answer within {self._limit_s:g} s")
        except (OSError, httpx.HTTPError) as error:
            return Outcome(delivered=False, final=False, text=f"not reachable: {type(error).__name__}")

    async def _post_to(self, target: URL, address: str, delivery_id: str, body: bytes) -> Outcome:
        # The connection goes to the address; the name stays in the Host header and in TLS, which proves it.
        headers = {"host": target.netloc.decode(), "content-type": "application/json", "webhook-id": delivery_id}
        request = self._client.build_request(
            "POST",
            target.copy_with(host=address),
            content=body,
            headers=headers,
            extensions={"sni_hostname": target.host},
        )
        # Streamed and left unread: the answer's body, which may be endless, does not matter.
        response = await self._client.send(request, stream=True)
        await response.aclose()
        gone = response.status_code == httpx.codes.GONE
        return Outcome(response.is_success, final=gone, text=f"HTTP {response.status_code}")


async def _resolve(target: URL) -> list[str]:
    port = target.port or (443 if target.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(target.host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
