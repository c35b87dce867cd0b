"""Events that PostgreSQL refuses: each is set aside alone, once, and keeps nobody else off the record."""

import asyncio
import math
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.gateway.conftest import Ask, Work
from tests.gateway.record.letters import POISON, Record

from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.config import Config
from weft_gateway.postgres import record_database
from weft_gateway.record.batch_writer import BatchWriter
from weft_gateway.record.postgres_dead_letters import DeadLetterStore
from weft_gateway.record.postgres_jobs import RecordStore
from weft_gateway.server import gateway
from weft_kit.joblog import JobLog, Unreadable, new_job_id
from weft_kit.rpc.errors import DependencyDown


async def test_after_a_poisoned_job_those_of_others_are_recorded_listed_and_told(
    config: Config, new_caller: Any, ask: Ask, work: Work, begin: Any, recorded: Any, receiver: Any
) -> None:
    async with gateway(config) as server:
        hostile, other = await new_caller(server), await new_caller(server)
        poisoned = await begin(hostile.key.tenant, labels=POISON, webhook_url=receiver.url)
        await work(poisoned, "all ", "the same")
        jobs = [await other.submit(ask(webhook_url=receiver.url)) for _ in range(60)]
        await asyncio.gather(*(work(job, "x") for job in jobs))
        await recorded(other, lambda seen: len(seen) == 60, states=[job_pb2.JOB_STATE_SUCCEEDED], page_size=100)
        async with asyncio.timeout(20):
            webhooks = {(await receiver.posts.get()).headers["webhook-id"] for _ in range(61)}
        (listed,) = await recorded(hostile, bool, states=[job_pb2.JOB_STATE_SUCCEEDED])
    assert webhooks == {poisoned.job_id, *(job.job_id for job in jobs)}
    assert (listed.job_id, listed.model) == (poisoned.job_id, "default")


async def test_many_poisoned_jobs_in_a_batch_keep_none_of_the_others_out(
    config: Config, new_caller: Any, work: Work, begin: Any, recorded: Any, record: Record
) -> None:
    async with gateway(config, ("serve",)) as server:
        hostile, other = await new_caller(server), await new_caller(server)
        jobs = [
            begin(hostile.key.tenant, labels=POISON) if n % 5 == 0 else begin(other.key.tenant) for n in range(1000)
        ]
        await asyncio.gather(*jobs)
        async with gateway(config, ("recorder",)):
            async with asyncio.timeout(60):
                while record.query("SELECT count(*) FROM jobs") != [(1000,)]:  # noqa: ASYNC110  # a table tells nobody
                    await asyncio.sleep(0.05)
        assert len((await other.list(page_size=1000)).jobs) == 800
        assert len((await hostile.list(page_size=1000)).jobs) == 200
    assert [(kind, tenant) for _, kind, tenant in record.letters()] == [("accepted", hostile.key.tenant)] * 200


@pytest.mark.parametrize("poisoned", [1, 4])
async def test_splitting_costs_a_logarithm_for_each_poisoned_event(record: Record, told: Any, poisoned: int) -> None:
    for size in (128, 256, 512):
        events = [told() for _ in range(size)]
        for n in range(poisoned):
            events[n * size // poisoned].accepted.request.labels.update(POISON)
        before = record.store.saves
        await record.writer.write(events)
        assert record.store.saves - before <= 2 * poisoned * math.log2(size) + 1


async def test_a_message_that_is_no_event_is_set_aside_under_the_job_of_its_subject(
    config: Config, new_caller: Any, ask: Ask, log: JobLog, recorded: Any, record: Record
) -> None:
    async with gateway(config) as server:
        caller = await new_caller(server)
        job_id = new_job_id(caller.key.tenant, job_pb2.PRIORITY_NORMAL)
        subjects = [job_id.replace("-", "."), "nothing.of-ours"]
        for subject in subjects:
            await log.client.jetstream().publish(f"{log.config.prefix}.{subject}.accepted", b"\xff\xff")
        job = await caller.submit(ask())
        (listed,) = await recorded(caller, bool)
        async with asyncio.timeout(20):
            while len(record.letters()) < 2:  # noqa: ASYNC110  # a table tells nobody
                await asyncio.sleep(0.02)
    assert listed.job_id == job.job_id
    assert record.letters() == [(job_id, "accepted", ""), ("", "", "")]
    assert record.query("SELECT DISTINCT event, reason FROM dead_letters") == [
        (b"\xff\xff", "DecodeError: the message is no JobEvent")
    ]


async def test_a_job_whose_log_is_damaged_is_read_from_the_record_once_it_ended(
    config: Config, new_caller: Any, ask: Ask, log: JobLog, work: Work, recorded: Any
) -> None:
    async with gateway(config) as server:
        caller = await new_caller(server)
        job = await caller.submit(ask())
        damaged = f"{log.config.prefix}.{job.job_id.replace('-', '.')}.delta"
        await log.client.jetstream().publish(damaged, b"\xff")
        assert await log.end_unread(job.job_id, event_pb2.Done(state=job_pb2.JOB_STATE_FAILED))
        await recorded(caller, bool, states=[job_pb2.JOB_STATE_FAILED])
        assert (await caller.get(job.job_id)).state == job_pb2.JOB_STATE_FAILED


async def test_a_repeat_makes_no_second_letter(record: Record, told: Any) -> None:
    bad = told(labels=POISON)
    unreadable = Unreadable("", "", 3, b"\xff")
    before = REGISTRY.get_sample_value("weft_gateway_dead_letters_total", {"kind": "accepted"}) or 0
    await asyncio.gather(*(record.writer.write([told(), bad], [unreadable]) for _ in range(4)))
    assert len(record.letters()) == 2
    assert REGISTRY.get_sample_value("weft_gateway_dead_letters_total", {"kind": "accepted"}) == before + 1


async def test_an_outage_in_the_middle_makes_no_letters_and_the_repeat_ends_the_same(record: Record, told: Any) -> None:
    events = [told(labels=POISON if n == 5 else {}) for n in range(16)]
    for down_at in (1, 3, 5):
        record.store.saves, record.store.down_at = 0, down_at
        with pytest.raises(DependencyDown):
            await record.writer.write(events)
        assert record.letters() == []
    await record.writer.write(events)
    assert record.query("SELECT count(*) FROM jobs") == [(16,)]
    assert record.letters() == [(events[5].job_id, "accepted", "acme")]


async def test_without_its_server_nothing_is_set_aside(told: Any, postgres_proxy: Any) -> None:
    proxy, url = postgres_proxy
    async with record_database(url) as database:
        writer = BatchWriter(RecordStore(database), DeadLetterStore(database))
        await writer.write([told()])
        await proxy.cut()
        with pytest.raises(DependencyDown):
            await writer.write([told(labels=POISON)], [Unreadable("", "", 3, b"\xff")])
        await proxy.mend()
        await writer.write([told(labels=POISON)])
        async with database.connection(20) as connection:
            found = await (await connection.execute("SELECT count(*) FROM dead_letters")).fetchone()
    assert found == (1,)
