"""What operators can do with API keys: create, list, revoke."""

from weft.common.v1 import budget_pb2, error_pb2
from weft_gateway.auth.key_cache import KeyCache
from weft_gateway.auth.keys import (
    Credential,
    Key,
    check_new_key,
    hash_secret,
    new_credential,
)
from weft_gateway.auth.postgres_keys import KeyStore
from weft_gateway.pages import Position
from weft_kit.rpc.errors import NotFound


class KeyAdmin:
    """Raises InvalidFields, NotFound, and DependencyDown while PostgreSQL is down."""

    def __init__(self, store: KeyStore, key_cache: KeyCache) -> None:
        self._store = store
        self._key_cache = key_cache

    async def create(
        self, tenant: str, name: str, calls_per_minute: int, budget: budget_pb2.Budget
    ) -> tuple[Key, Credential]:
        """Returns a new key and the only copy of its secret."""
        check_new_key(tenant, name, calls_per_minute, budget)
        credential = new_credential()
        secret_hash = hash_secret(credential.secret)
        key = await self._store.create(credential.key_id, tenant, name, secret_hash, calls_per_minute, budget)
        return key, credential

    async def page(self, tenant: str, before: Position | None, size: int) -> tuple[list[Key], Position | None]:
        """Returns keys from newest to oldest, and where the next page begins."""
        found = await self._store.newest(tenant, before, size + 1)
        page = found[:size]
        return page, (page[-1].create_time, page[-1].key_id) if len(found) > size else None

    async def revoke(self, key_id: str) -> Key:
        key = await self._store.revoke(key_id)
        if key is None:
            message = "no such key; `weft keys list` shows the ids"
            raise NotFound(error_pb2.ERROR_REASON_KEY_NOT_FOUND, message)
        self._key_cache.forget(key_id)
        return key
