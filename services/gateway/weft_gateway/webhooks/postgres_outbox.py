"""Webhooks that are due, in PostgreSQL: written with the record of the end they tell of, so none is forgotten."""

import json
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from weft_gateway.webhooks.deliveries import DeliveryOutcome, Due, Try
from weft_kit.stores.postgres import Database

_MOST_TRIES_KEPT: Final = 50

# ruff: noqa: S608  # put together from this file's own names

# One step of the index per tenant, to its earliest: what one tenant has waiting costs the others nothing. In random
# order, so that no tenant is always last.
_DUE_TENANTS: Final = """
    WITH RECURSIVE first AS (
        (SELECT tenant, next_time FROM webhook_deliveries WHERE next_time IS NOT NULL
         ORDER BY tenant, next_time LIMIT 1)
        UNION ALL
        SELECT following.* FROM first CROSS JOIN LATERAL (
            SELECT tenant, next_time FROM webhook_deliveries WHERE next_time IS NOT NULL AND tenant > first.tenant
            ORDER BY tenant, next_time LIMIT 1
        ) AS following
    )
    SELECT tenant FROM first WHERE next_time <= now() ORDER BY random()
"""
# Skipping locked rows lets replicas share the work; moving `next_time` keeps a claim while its try is under way.
_CLAIM: Final = """
    WITH taken AS MATERIALIZED (
        SELECT due.* FROM unnest(%(tenants)s::text[], %(places)s::int[]) AS share (tenant, places) CROSS JOIN LATERAL (
            SELECT job_id, next_time FROM webhook_deliveries WHERE tenant = share.tenant AND next_time <= now()
            ORDER BY next_time LIMIT share.places FOR UPDATE SKIP LOCKED
        ) AS due
    )
    UPDATE webhook_deliveries AS d
    SET claim = gen_random_uuid(), next_time = now() + %(lease_s)s * interval '1 second'
    FROM taken, jobs AS j
    WHERE d.job_id = taken.job_id AND j.job_id = taken.job_id
    RETURNING d.job_id, d.tenant, d.claim, d.tries_made, EXTRACT(epoch FROM now() - taken.next_time)::float8,
        j.webhook_url, j.accepted, j.started, j.done
"""
_ADD_TRY: Final = f"""
    tries = CASE WHEN jsonb_array_length(tries) < {_MOST_TRIES_KEPT} THEN tries ELSE tries - 0 END || %(try)s::jsonb
"""
_SETTLE: Final = f"""
    UPDATE webhook_deliveries SET {_ADD_TRY},
        tries_made = tries_made + 1,
        deliver_time = CASE WHEN %(delivered)s THEN now() END,
        next_time = now() + %(wait_s)s::float8 * interval '1 second',
        claim = NULL
    WHERE job_id = %(job_id)s AND claim = %(claim)s
""".encode()
_KEEP: Final = f"UPDATE webhook_deliveries SET {_ADD_TRY} WHERE job_id = %(job_id)s".encode()
_SAY: Final = f"""
    UPDATE webhook_deliveries SET {_ADD_TRY}
    WHERE next_time <= now() AND tries -> -1 ->> 'outcome' IS DISTINCT FROM %(outcome)s
""".encode()


class WebhookOutbox:
    """The notifier's queue. Raises DependencyDown when PostgreSQL does not answer within `limit_s`."""

    def __init__(self, database: Database, *, limit_s: float = 5.0) -> None:
        self._database = database
        self._limit_s = limit_s

    async def due_tenants(self) -> list[str]:
        """Returns tenants with a webhook due, in random order."""
        async with self._database.connection(self._limit_s) as connection:
            return [tenant for (tenant,) in await (await connection.execute(_DUE_TENANTS)).fetchall()]

    async def claim(self, places: Mapping[str, int], lease_s: float) -> list[Due]:
        """Returns up to so many webhooks of each tenant, longest due first, and claims them for `lease_s`."""
        parameters = {"tenants": list(places), "places": list(places.values()), "lease_s": lease_s}
        async with self._database.connection(self._limit_s) as connection:
            return [_due(*row) for row in await (await connection.execute(_CLAIM, parameters)).fetchall()]

    async def settle(self, due: Due, made: Try, outcome: DeliveryOutcome, next_s: float | None) -> None:
        """Stores an attempt, and when the next one is due: None means never.

        Decides nothing when the claim was lost meanwhile: to another notifier after its lease, or to a redelivery.
        """
        parameters = {
            "job_id": due.job_id,
            "claim": due.claim,
            "try": _entry(made),
            "delivered": outcome.delivered,
            "wait_s": next_s,
        }
        async with self._database.connection(self._limit_s) as connection:
            if not (await connection.execute(_SETTLE, parameters)).rowcount:
                await connection.execute(_KEEP, parameters)

    async def say(self, remark: Try) -> int:
        """Stores a remark, as an attempt, with every due webhook that does not have it yet; returns how many."""
        async with self._database.connection(self._limit_s) as connection:
            parameters = {"try": _entry(remark), "outcome": remark.outcome}
            return (await connection.execute(_SAY, parameters)).rowcount


def _due(job_id: str, tenant: str, claim: UUID, tries_made: int, late_s: float, url: str, *events: bytes | None) -> Due:
    return Due(job_id, tenant, claim, tries_made, late_s, url, tuple(event for event in events if event))


def _entry(made: Try) -> str:
    return json.dumps(
        {
            "time": made.time.isoformat(),
            "duration_s": made.duration_s,
            "http_status": made.http_status,
            "outcome": made.outcome,
        }
    )
