"""Webhooks that are due, in PostgreSQL: written with the record of the end they tell of, so none is forgotten."""

from dataclasses import dataclass
from typing import Final

from weft.job.v1 import event_pb2
from weft_gateway.postgres import Database
from weft_gateway.webhooks import Outcome

# Skipping locked rows lets replicas share the work; moving `next_time` keeps a claim while its try is under way.
_CLAIM: Final = """
    UPDATE webhook_deliveries AS d
    SET attempts = attempts + 1, next_time = clock_timestamp() + %(lease_s)s * interval '1 second'
    FROM jobs AS j
    WHERE j.job_id = d.job_id AND d.job_id IN (
        SELECT job_id FROM webhook_deliveries WHERE next_time <= clock_timestamp()
        ORDER BY next_time FOR UPDATE SKIP LOCKED LIMIT %(limit)s
    )
    RETURNING d.job_id, d.attempts, j.webhook_url, j.accepted, j.started, j.done
"""
_SETTLE: Final = """
    UPDATE webhook_deliveries
    SET last_outcome = %(text)s,
        deliver_time = CASE WHEN %(delivered)s THEN clock_timestamp() END,
        next_time = clock_timestamp() + %(wait_s)s::float8 * interval '1 second'
    WHERE job_id = %(job_id)s
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook to try now, for the `attempts`-th time."""

    job_id: str
    attempts: int
    url: str
    events: list[event_pb2.JobEvent]


class DeliveryStore:
    """Raises DependencyDown when PostgreSQL does not answer within `limit_s`."""

    def __init__(self, database: Database, *, limit_s: float = 5.0) -> None:
        self._database = database
        self._limit_s = limit_s

    async def claim(self, limit: int, lease_s: float) -> list[Delivery]:
        """Deliveries that are due, not to be claimed again for `lease_s`."""
        async with self._database.connection(self._limit_s) as connection:
            found = await (await connection.execute(_CLAIM, {"limit": limit, "lease_s": lease_s})).fetchall()
        return [_delivery(*row) for row in found]

    async def settle(self, job_id: str, outcome: Outcome, next_s: float | None) -> None:
        """Records what became of a try, and when the next one is due: None means never."""
        parameters = {"job_id": job_id, "text": outcome.text, "delivered": outcome.delivered, "wait_s": next_s}
        async with self._database.connection(self._limit_s) as connection:
            await connection.execute(_SETTLE, parameters)


def _delivery(job_id: str, attempts: int, url: str, *events: bytes | None) -> Delivery:
    return Delivery(job_id, attempts, url, [event_pb2.JobEvent.FromString(event) for event in events if event])
