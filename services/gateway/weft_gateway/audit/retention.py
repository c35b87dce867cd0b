"""How long the operator's calls are kept."""

import asyncio
from datetime import UTC, datetime, timedelta

from weft_gateway.audit.postgres_audit import AuditStore


async def drop_old_events(store: AuditStore, *, days: float, poll_s: float, batch: int) -> None:
    """Runs for ever. Raises DependencyDown while PostgreSQL is down."""
    while True:
        while await store.drop(datetime.now(UTC) - timedelta(days=days), batch):
            pass
        await asyncio.sleep(poll_s)
