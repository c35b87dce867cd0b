"""What tenants can do with the secrets of their webhooks: see them, and rotate them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from weft_gateway.webhooks.postgres_secrets import SecretStore, SecretVersion
from weft_gateway.webhooks.signing import derive_secret, show_secret, webhooks_off
from weft_kit.rpc.errors import InvalidFields

_DEFAULT_OVERLAP_S: Final = 24 * 3600.0
_LONGEST_OVERLAP_S: Final = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that signs, as receivers configure it."""

    text: str
    create_time: datetime
    expire_time: datetime | None


class SecretAdmin:
    """Raises FailedPrecondition (WEBHOOKS_OFF) without a signing key, DependencyDown while PostgreSQL is down."""

    def __init__(self, store: SecretStore, signing_key: str) -> None:
        self._store = store
        self._signing_key = signing_key

    def check_on(self) -> None:
        """Raises when this mesh signs nothing, and so sends nothing."""
        if not self._signing_key:
            raise webhooks_off()

    async def current(self, tenant: str) -> list[Secret]:
        """Returns the secrets that sign now, the newest first; makes the first one if there is none."""
        self.check_on()
        return self._shown(tenant, (await self._store.current((tenant,)))[tenant])

    async def rotate(self, tenant: str, overlap_s: float | None) -> list[Secret]:
        """Creates a new secret; the previous one signs along with it for `overlap_s`, and an older one ends at once."""
        self.check_on()
        if overlap_s is None:
            overlap_s = _DEFAULT_OVERLAP_S
        if not 0 <= overlap_s <= _LONGEST_OVERLAP_S:
            raise InvalidFields({"overlap": f"must be 0 s to 7 days, is {overlap_s:g} s"})
        return self._shown(tenant, await self._store.rotate(tenant, timedelta(seconds=overlap_s)))

    async def signing(self, tenants: Iterable[str]) -> dict[str, list[bytes]]:
        """Returns the secrets that sign each tenant's webhooks now, the newest first."""
        self.check_on()
        current = await self._store.current(tenants)
        return {
            tenant: [derive_secret(self._signing_key, tenant, generation.number) for generation in generations]
            for tenant, generations in current.items()
        }

    def _shown(self, tenant: str, generations: Sequence[SecretVersion]) -> list[Secret]:
        return [
            Secret(
                show_secret(derive_secret(self._signing_key, tenant, generation.number)),
                generation.create_time,
                generation.expire_time,
            )
            for generation in generations
        ]
