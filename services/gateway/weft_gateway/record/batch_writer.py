"""Writes batches of events to the record, so that an event that cannot be recorded blocks no other."""

from collections.abc import Sequence

import structlog
from prometheus_client import Counter

from weft.job.v1 import event_pb2
from weft_gateway.record.dead_letters import DeadLetter, is_poison
from weft_gateway.record.postgres_dead_letters import DeadLetterStore
from weft_gateway.record.postgres_jobs import RecordStore
from weft_gateway.record.rows import RecordRow, rows
from weft_kit.joblog import Unreadable

DEAD_LETTERS = Counter("weft_gateway_dead_letters", "Events that the record could not hold, and set aside.", ["kind"])


class BatchWriter:
    """Writes events together, and in halves when they are refused, until a refused event is alone.

    That takes about k log n statements for k such events among n. Each of them becomes a dead letter, and its job is
    recorded with everything else that the event says. Every step is a separate transaction, and a repeat changes
    nothing: replicas that write the same events, or one that is interrupted and starts again, do no harm.
    """

    def __init__(self, records: RecordStore, letters: DeadLetterStore) -> None:
        self._records = records
        self._letters = letters

    async def write(self, events: Sequence[event_pb2.JobEvent], unreadable: Sequence[Unreadable] = ()) -> None:
        """Returns once every event is recorded or a dead letter. Raises DependencyDown: then write them again."""
        # Valid events go first: there are many, and they need few statements.
        refused = await self._write(events) if events else []
        for event, refusal in refused:
            await self._set_aside(DeadLetter.of(event, refusal), await self._remainder(event))
        for message in unreadable:
            await self._set_aside(DeadLetter.of_unreadable(message), None)

    async def _write(self, events: Sequence[event_pb2.JobEvent]) -> list[tuple[event_pb2.JobEvent, Exception]]:
        """Records all events that can be recorded, and returns the others, each with its refusal."""
        refusal = await self._refusal(events)
        if refusal is None:
            return []
        if len(events) == 1:
            return [(events[0], refusal)]
        middle = len(events) // 2
        return await self._write(events[:middle]) + await self._write(events[middle:])

    async def _refusal(self, events: Sequence[event_pb2.JobEvent]) -> Exception | None:
        """Records events, all of them or none; returns what was wrong if none were."""
        try:
            await self._records.save(rows(events))
        except Exception as error:
            if not is_poison(error):
                raise
            return error
        return None

    async def _remainder(self, event: event_pb2.JobEvent) -> RecordRow | None:
        """Returns what can be recorded of a refused event: its row without the refused values."""
        try:
            (row,) = rows([event])
        except Exception as error:
            if not is_poison(error):
                raise
            return None
        refused = await self._letters.refused(row)
        if "job_id" in refused or "state" in refused:
            return None
        for name in refused:
            setattr(row, name, None)
        return row

    async def _set_aside(self, letter: DeadLetter, row: RecordRow | None) -> None:
        try:
            is_new = await self._letters.add(letter, row)
        except Exception as error:
            if row is None or not is_poison(error):
                raise
            await self._set_aside(letter, None)
            return
        if is_new:
            DEAD_LETTERS.labels(letter.kind).inc()
            structlog.get_logger().error(
                "an event cannot be recorded and is a dead letter",
                job_id=letter.job_id,
                sequence=letter.sequence,
                kind=letter.kind,
                reason=letter.cause,
            )
