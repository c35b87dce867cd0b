"""Deliveries as their tenants see them, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from weft_gateway.webhooks.deliveries import Delivery, Try
from weft_gateway.webhooks.delivery_query import DeliveryQuery
from weft_kit.stores.postgres import Database

# ruff: noqa: S608  # put together from this file's own names
_COLUMNS: Final = "d.job_id, j.webhook_url, d.state, d.create_time, d.next_time, d.tries"

_PAGE: Final = f"""
    SELECT {_COLUMNS} FROM webhook_deliveries AS d JOIN jobs AS j USING (job_id)
    WHERE d.tenant = %(tenant)s
      AND (%(only)s = '' OR d.job_id = %(only)s)
      AND (%(states)s::smallint[] = '{{}}' OR d.state = ANY(%(states)s))
      AND (%(time)s::timestamptz IS NULL OR (d.create_time, d.job_id) < (%(time)s, %(job_id)s))
    ORDER BY d.create_time DESC, d.job_id DESC
    LIMIT %(limit)s
""".encode()
# An attempt in progress loses its claim: its outcome is stored, and decides nothing.
_REDELIVER: Final = f"""
    UPDATE webhook_deliveries AS d SET next_time = now(), tries_made = 0, deliver_time = NULL, claim = NULL
    FROM jobs AS j
    WHERE j.job_id = d.job_id AND d.job_id = %s AND d.tenant = %s
    RETURNING {_COLUMNS}
""".encode()


class DeliveryStore:
    """Raises DependencyDown when PostgreSQL does not answer within `limit_s`."""

    def __init__(self, database: Database, *, limit_s: float = 2.0) -> None:
        self._database = database
        self._limit_s = limit_s

    async def page(self, query: DeliveryQuery) -> list[Delivery]:
        """Returns a page of deliveries, and one more when there is a further page."""
        time, job_id = query.before or (None, None)
        parameters = {
            "tenant": query.tenant,
            "only": query.job_id,
            "states": list(query.states),
            "time": time,
            "job_id": job_id,
            "limit": query.size + 1,
        }
        return await self._deliveries(_PAGE, parameters)

    async def redeliver(self, tenant: str, job_id: str) -> Delivery | None:
        """Makes a delivery due now, with no attempts made; returns None when this tenant has no such delivery."""
        return next(iter(await self._deliveries(_REDELIVER, (job_id, tenant))), None)

    async def _deliveries(self, query: bytes, parameters: Sequence[object] | Mapping[str, object]) -> list[Delivery]:
        async with self._database.connection(self._limit_s) as connection:
            return [_delivery(*row) for row in await (await connection.execute(query, parameters)).fetchall()]


def _delivery(
    job_id: str, url: str, state: int, create_time: datetime, next_time: datetime | None, tries: list[dict[str, Any]]
) -> Delivery:
    return Delivery(job_id, url, state, create_time, next_time, tuple(map(_try, tries)))


def _try(entry: dict[str, Any]) -> Try:
    return Try(**{**entry, "time": datetime.fromisoformat(entry["time"])})
