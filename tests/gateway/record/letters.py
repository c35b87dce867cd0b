"""A record whose statements are counted, and its dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.record.batch_writer import BatchWriter
from weft_gateway.record.postgres_jobs import RecordStore
from weft_gateway.record.rows import RecordRow
from weft_kit.rpc.errors import DependencyDown
from weft_kit.stores.postgres import Database

POISON = {"team": "a\0b"}


class CountingStore(RecordStore):
    """Counts statements, and loses its server in the one it is told."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.saves = 0
        self.down_at = 0

    async def save(self, rows: Sequence[RecordRow]) -> None:
        self.saves += 1
        if self.saves == self.down_at:
            raise DependencyDown("postgresql", "away; retry")
        await super().save(rows)


@dataclass
class Record:
    """The record of a test, with what writes it."""

    database: Database
    store: CountingStore
    writer: BatchWriter
    url: str

    def query(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as session:
            return session.execute(query.encode()).fetchall()

    def letters(self) -> list[tuple[Any, ...]]:
        return self.query("SELECT job_id, kind, tenant FROM dead_letters ORDER BY sequence")


def ended(first: event_pb2.JobEvent, **fields: Any) -> event_pb2.JobEvent:
    done = event_pb2.Done(**{"state": job_pb2.JOB_STATE_SUCCEEDED, **fields})
    return event_pb2.JobEvent(job_id=first.job_id, sequence=first.sequence + 5_000, time=first.time, done=done)
