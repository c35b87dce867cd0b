"""The recorder: what the log says, in PostgreSQL, once and whole."""

import asyncio
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from tests.gateway.conftest import Ask, Work

from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.config import Config
from weft_gateway.record.postgres_jobs import RecordStore
from weft_gateway.record.rows import rows
from weft_gateway.server import gateway
from weft_kit.joblog import JobLog, new_job_id, project


@pytest.fixture
async def story(log: JobLog, ask: Ask, work: Work) -> list[event_pb2.JobEvent]:
    """A finished job's lasting events."""
    accepted = event_pb2.Accepted(tenant="acme", request=ask(webhook_url="https://example.org"), request_hash="h")
    first = await log.accept(new_job_id("acme", job_pb2.PRIORITY_NORMAL), accepted)
    await work(job_pb2.Job(job_id=first.job_id, last_sequence=first.sequence), "a", "b")
    return [event for event in await log.events(first.job_id) if not event.HasField("delta")]


def dump(postgres_url: str, table: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(postgres_url) as session:
        return session.execute(SQL("SELECT * FROM {}").format(Identifier(table))).fetchall()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (2, 0, 1), (0, 0, 2, 2, 1, 0)])
async def test_events_in_any_order_and_number_make_the_same_record(
    records: RecordStore, story: list[event_pb2.JobEvent], postgres_url: str, order: tuple[int, ...]
) -> None:
    for i in order:
        await records.save(rows([story[i]]))
    found = await records.find("acme", story[0].job_id)
    assert found == story
    assert project(story[0].job_id, found).state == job_pb2.JOB_STATE_SUCCEEDED
    one_by_one = dump(postgres_url, "jobs")
    await records.save(rows(story))
    assert dump(postgres_url, "jobs") == one_by_one
    assert len(dump(postgres_url, "webhook_deliveries")) == 1


async def test_a_record_whose_envelope_is_missing_is_nobodys(
    records: RecordStore, story: list[event_pb2.JobEvent]
) -> None:
    await records.save(rows(story[1:]))
    assert await records.find("acme", story[0].job_id) == []


async def test_columns_tell_reports_what_a_job_cost(
    records: RecordStore, story: list[event_pb2.JobEvent], postgres_url: str
) -> None:
    await records.save(rows(story))
    with psycopg.connect(postgres_url) as session:
        query = "SELECT tenant, model, provider, prompt_tokens, completion_tokens FROM jobs"
        assert session.execute(query).fetchall() == [("acme", "default", "local", 7, 2)]


async def test_a_recorder_that_starts_late_catches_up(
    config: Config, new_caller: Any, ask: Ask, work: Work, recorded: Any
) -> None:
    async with gateway(config, ("serve",)) as server:
        caller = await new_caller(server)
        jobs = [await caller.submit(ask(), f"order-{i}") for i in range(30)]
        await asyncio.gather(*(work(job, "x") for job in jobs))
        assert not (await caller.list()).jobs
        async with gateway(config, ("recorder",)) as nothing:
            assert nothing is None
            found = await recorded(caller, lambda seen: len(seen) == 30, states=[job_pb2.JOB_STATE_SUCCEEDED])
    assert {job.job_id for job in found} == {job.job_id for job in jobs}


async def test_two_recorders_share_the_work(
    config: Config, new_caller: Any, ask: Ask, work: Work, recorded: Any
) -> None:
    async with gateway(config) as server, gateway(config, ("recorder",)):
        caller = await new_caller(server)
        jobs = await asyncio.gather(*(caller.submit(ask()) for _ in range(40)))
        await asyncio.gather(*(work(job, "x") for job in jobs))
        await recorded(caller, lambda seen: len(seen) == 40, states=[job_pb2.JOB_STATE_SUCCEEDED])
