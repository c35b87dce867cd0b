"""Dead letters are erased with their jobs, their tenant, and what retention lets go."""

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from tests.gateway.record.letters import POISON, Record, ended

from weft_gateway.record.postgres_erasure import ErasureStore
from weft_gateway.record.retention import RetentionSweeper
from weft_kit.catalog.retention import Retention


async def test_letters_go_with_their_job_and_do_not_come_back(record: Record, told: Any) -> None:
    erasure = ErasureStore(record.database)
    bad, other = told(labels=POISON), told(labels=POISON)
    await record.writer.write([bad, other])
    await erasure.delete([bad.job_id])
    await record.writer.write([bad])
    assert record.letters() == [(other.job_id, "accepted", "acme")]
    assert await record.store.find("acme", bad.job_id) == []
    await erasure.drop_letters_of("acme")
    assert record.letters() == []


async def test_letters_are_past_retention_with_the_contents_of_their_tenants_jobs(record: Record, told: Any) -> None:
    over, unfinished, nobodys, kept = told(labels=POISON), told(labels=POISON), told(""), told("other", labels=POISON)
    nobodys.accepted.expire_time.CopyFrom(Timestamp(seconds=2**60))
    await record.writer.write([over, ended(over), unfinished, nobodys, ended(nobodys), kept])
    assert len(record.letters()) == 4
    rules = {"acme": Retention(contents_days=1), "": Retention(contents_days=1)}
    sweeper = RetentionSweeper(
        ErasureStore(record.database), lambda tenant: rules.get(tenant, Retention()), least_s=3600, batch=1
    )
    await sweeper.sweep(datetime.now(UTC) + timedelta(hours=23))
    assert len(record.letters()) == 4
    await sweeper.sweep(datetime.now(UTC) + timedelta(days=2))
    assert record.letters() == [(kept.job_id, "accepted", "other")]
    left = {event.job_id for event in (over, unfinished, kept)}
    assert {job_id for (job_id,) in record.query("SELECT job_id FROM jobs")} == left


async def test_a_tenant_that_retention_fails_for_keeps_back_no_other(record: Record, told: Any) -> None:
    events = [event for tenant in ("a", "b", "c") for first in [told(tenant)] for event in (first, ended(first))]
    await record.writer.write(events)

    def rules(tenant: str) -> Retention:
        if tenant == "b":
            raise LookupError(tenant)
        return Retention(contents_days=1, records_days=1)

    sweeper = RetentionSweeper(ErasureStore(record.database), rules, least_s=3600)
    await sweeper.sweep(datetime.now(UTC) + timedelta(days=2))
    assert record.query("SELECT tenant FROM jobs") == [("b",)]
