"""The recorder: writes what the log says about jobs to PostgreSQL."""

from typing import Final

import stamina
from prometheus_client import Counter, Histogram

from weft_gateway.record.batch_writer import BatchWriter
from weft_kit.joblog import Batches, JobLog
from weft_kit.rpc.errors import DependencyDown

EVENTS = Counter("weft_gateway_recorded_events", "Events written to PostgreSQL, repeats included.")
BATCH_EVENTS = Histogram(
    "weft_gateway_recorder_batch_events", "Events in a batch.", buckets=(1, 5, 20, 50, 100, 200, 500)
)

CONSUMER: Final = "recorder"
KINDS: Final = ("accepted", "started", "done")


async def record(log: JobLog, writer: BatchWriter, *, max_batch: int = 500, max_wait_s: float = 0.1) -> None:
    """Records for ever. Replicas share the events; one that dies leaves its batch to the others.

    A batch is acknowledged once PostgreSQL has committed all of it, dead letters too. While PostgreSQL is down it is
    kept and tried again; should the log hand it to another replica, it is written twice, which changes nothing.
    """
    async for batch in Batches(log, consumer=CONSUMER, kinds=KINDS, max_batch=max_batch, max_wait_s=max_wait_s):
        async with batch.kept():
            async for attempt in stamina.retry_context(DependencyDown, attempts=None, timeout=None, wait_max=2.0):
                with attempt:
                    await writer.write(batch.events, batch.unreadable)
        await batch.ack()
        EVENTS.inc(len(batch.events))
        BATCH_EVENTS.observe(len(batch.events))
