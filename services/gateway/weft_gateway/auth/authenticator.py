"""Authentication: each call gets its key's tenant and is counted against its limits before a servicer sees it."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from weft_gateway.audit.audit import AuditLog
from weft_gateway.auth.gcra import Rate, RateLimit
from weft_gateway.auth.key_cache import KeyCache
from weft_gateway.auth.keys import (
    Key,
    bearer,
    prove,
    read_credential,
)
from weft_kit.logging import note
from weft_kit.rpc.context import TRACE_KEY, CallContext, enter
from weft_kit.rpc.errors import (
    InvalidFields,
    PermissionDenied,
    Unauthenticated,
    WeftError,
)
from weft_kit.rpc.peers import address_of

_OPERATOR_METHODS: Final = (
    "/weft.gateway.v1.AuditService/",
    "/weft.gateway.v1.KeyService/",
    "/weft.gateway.v1.TenantService/",
    "/weft.common.v1.CatalogService/",
    # It spends the mesh's provider keys, and shows what providers say about them.
    "/weft.router.v1.RouterService/CheckProviders",
)
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class CallRates:
    """Calls per minute of a key without its own limit, and how many seconds' worth may arrive at once."""

    per_key: int = 6_000
    per_address: int = 60_000
    """0 when a proxy is in front and all callers share its address."""
    burst_s: float = 10.0


class RateLimiter(Protocol):
    """Counts calls."""

    async def admit(self, limits: Sequence[RateLimit]) -> None:
        """Returns when a call may pass; raises Exhausted when it would break one of its limits."""
        ...


class Authenticator:
    """The authenticator of `weft_kit.rpc.interceptor`.

    Identity comes only from the key: a client's `weft-…` metadata is not even read.
    """

    def __init__(
        self, key_cache: KeyCache, limiter: RateLimiter, rates: CallRates, operator_token: str, audit: AuditLog
    ) -> None:
        self._key_cache = key_cache
        self._limiter = limiter
        self._rates = rates
        self._operator_token = operator_token
        self._audit = audit

    async def __call__(self, method: str, metadata: Mapping[str, str], peer: str) -> CallContext:
        address = self._address_limits(peer)
        authorization = metadata.get("authorization", "")
        if method.startswith(_OPERATOR_METHODS):
            await self._limiter.admit(address)
            return await self._operator(method, authorization, CallContext(traceparent=_trace(metadata)), peer)
        key = await self._key(authorization, address)
        return CallContext(tenant=key.tenant, key_id=key.key_id, traceparent=_trace(metadata))

    async def charge(self, caller: CallContext, calls: int, field: str) -> None:
        """Counts `calls` more against a key: the rest of a batch, whose first call was counted on arrival.

        Raises Exhausted while they would break the key's limit, InvalidFields for `field` if they always will.
        """
        key = await self._key_cache.find(caller.key_id)
        if key is None or not calls:
            return
        limit = self._key_limit(key, calls)
        if calls >= limit.rate.burst:
            problem = f"must be at most {limit.rate.burst} at once with this key, are {calls + 1}; split them"
            raise InvalidFields({field: problem})
        await self._limiter.admit([limit])

    async def _key(self, authorization: str, address: Sequence[RateLimit]) -> Key:
        credential = read_credential(authorization)
        known = self._key_cache.recall(credential.key_id)
        if known is not None:
            key = prove(known, credential)
            await self._limiter.admit([self._key_limit(key), *address])
            return key
        # An unknown key costs a query: its address is charged first, so that guessing cannot load PostgreSQL.
        await self._limiter.admit(address)
        key = prove(await self._key_cache.find(credential.key_id), credential)
        await self._limiter.admit([self._key_limit(key)])
        return key

    async def _operator(self, method: str, authorization: str, caller: CallContext, peer: str) -> CallContext:
        # Set already here, so that the log line of a refused call has the same id as its event.
        enter(caller)
        note(address=address_of(peer))
        try:
            self._check_operator(authorization)
        except WeftError as refusal:
            await self._audit.refuse(method, refusal)
            raise
        note(operator=fingerprint(self._operator_token))
        return caller

    def _check_operator(self, authorization: str) -> None:
        if not self._operator_token:
            raise PermissionDenied(
                "nobody is an operator here: set WEFT_GATEWAY_OPERATOR_TOKEN and restart the gateway"
            )
        if not hmac.compare_digest(bearer(authorization).encode(), self._operator_token.encode()):
            raise Unauthenticated("the operator token is wrong; send the value of WEFT_GATEWAY_OPERATOR_TOKEN")

    def _key_limit(self, key: Key, calls: int = 1) -> RateLimit:
        per_minute = key.calls_per_minute or self._rates.per_key
        return RateLimit("key", key.key_id, Rate.per_minute(per_minute, self._rates.burst_s), calls)

    def _address_limits(self, peer: str) -> list[RateLimit]:
        if not self._rates.per_address:
            return []
        return [RateLimit("address", address_of(peer), Rate.per_minute(self._rates.per_address, self._rates.burst_s))]


def fingerprint(token: str) -> str:
    """Returns a fingerprint that distinguishes operators' tokens in logs; it reveals nothing about a random token."""
    return hashlib.sha256(b"weft operator token: " + token.encode()).hexdigest()[:8]


def _trace(metadata: Mapping[str, str]) -> str:
    """Returns the caller's W3C trace context; a malformed one is ignored."""
    traceparent = metadata.get(TRACE_KEY, "")
    return traceparent if _TRACEPARENT.fullmatch(traceparent) else ""
