"""API keys: how they are created, parsed and verified."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from weft.common.v1 import budget_pb2
from weft_kit.rpc.errors import InvalidFields, Unauthenticated

_CREDENTIAL: Final = re.compile(r"wk_([a-z0-9]{16})_([A-Za-z0-9_-]{43})")
_TENANT: Final = re.compile(r"[a-z0-9-]{1,64}")
_NAME_CHARACTERS: Final = 64
_MOST_CALLS_PER_MINUTE: Final = 10_000_000
_LARGEST_BUDGET: Final = 1_000_000_000_000_000
_HOW: Final = "send `authorization: Bearer wk_…` with a key made by `weft keys create`"


@dataclass(frozen=True, slots=True)
class Key:
    """What is stored about a key, except its secret."""

    key_id: str
    tenant: str
    name: str
    secret_hash: bytes
    create_time: datetime
    revoke_time: datetime | None = None
    calls_per_minute: int = 0
    tokens_per_minute: int = 0
    micros_per_day: int = 0

    @property
    def budget(self) -> budget_pb2.Budget:
        """Returns the budget of its jobs."""
        return budget_pb2.Budget(tokens_per_minute=self.tokens_per_minute, micros_per_day=self.micros_per_day)


@dataclass(frozen=True, slots=True)
class Credential:
    """What a client sent: the id of a key, and the secret that proves it."""

    key_id: str
    secret: str

    def __str__(self) -> str:
        """Returns the text that clients send after `Bearer`."""
        return f"wk_{self.key_id}_{self.secret}"


def new_credential() -> Credential:
    """Returns a key id of 64 random bits and a secret of 256."""
    return Credential(secrets.token_hex(8), secrets.token_urlsafe(32))


def bearer(authorization: str) -> str:
    """Returns the token of an `authorization` header; Unauthenticated when there is none."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated(f"the call carries no bearer token; {_HOW}")
    return token


def read_credential(authorization: str) -> Credential:
    """Returns the credential of an `authorization` header; Unauthenticated when it is missing or malformed."""
    match = _CREDENTIAL.fullmatch(bearer(authorization))
    if match is None:
        raise Unauthenticated(f"the bearer token is not an API key; {_HOW}")
    return Credential(*match.groups())


def hash_secret(secret: str) -> bytes:
    """Returns the SHA-256 of a secret.

    A slow or salted hash protects secrets that can be guessed. This secret has 256 random bits: it cannot be guessed at
    any speed, no two are alike, and every call has to check one.
    """
    return hashlib.sha256(secret.encode()).digest()


def prove(key: Key | None, credential: Credential) -> Key:
    """Returns the key if the credential proves it and it is still valid; otherwise raises Unauthenticated."""
    expected = key.secret_hash if key else b""
    if key is None or not hmac.compare_digest(expected, hash_secret(credential.secret)):
        raise Unauthenticated(f"the API key is not known; {_HOW}")
    if key.revoke_time is not None:
        raise revoked(key.key_id)
    return key


def revoked(key_id: str) -> Unauthenticated:
    """Returns the error for calls of a revoked key, both new and open ones."""
    return Unauthenticated(f"the API key {key_id} was revoked; {_HOW}")


def check_new_key(tenant: str, name: str, calls_per_minute: int, budget: budget_pb2.Budget) -> None:
    """Raises InvalidFields when a key may not be created with these values."""
    violations = {}
    if not _TENANT.fullmatch(tenant):
        violations["tenant"] = "must be 1-64 of [a-z0-9-]"
    if len(name) > _NAME_CHARACTERS:
        violations["name"] = f"must be at most {_NAME_CHARACTERS} characters, is {len(name)}"
    if not 0 <= calls_per_minute <= _MOST_CALLS_PER_MINUTE:
        violations["calls_per_minute"] = f"must be 0 (the default) to {_MOST_CALLS_PER_MINUTE}, is {calls_per_minute}"
    for field, value in (("tokens_per_minute", budget.tokens_per_minute), ("micros_per_day", budget.micros_per_day)):
        if not 0 <= value <= _LARGEST_BUDGET:
            violations[f"budget.{field}"] = f"must be 0 (no limit) to {_LARGEST_BUDGET}, is {value}"
    if violations:
        raise InvalidFields(violations)
