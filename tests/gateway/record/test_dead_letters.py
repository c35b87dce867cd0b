"""Events that PostgreSQL refuses: each stands alone in the end, and keeps nobody else off the record."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from prometheus_client import REGISTRY

from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.config import Config
from weft_gateway.postgres import record_database
from weft_gateway.record.batch_writer import BatchWriter
from weft_gateway.record.dead_letters import is_poison
from weft_gateway.record.postgres_dead_letters import DeadLetterStore
from weft_gateway.record.postgres_erasure import ErasureStore
from weft_gateway.record.postgres_jobs import RecordStore
from weft_gateway.record.retention import RetentionSweeper
from weft_gateway.record.rows import RecordRow
from weft_gateway.server import gateway
from weft_kit.catalog.retention import Retention
from weft_kit.joblog import JobLog, Unreadable, new_job_id
from weft_kit.rpc.errors import DependencyDown
from weft_kit.stores.postgres import Database

Ask = Callable[..., job_pb2.GenerationRequest]
Work = Callable[..., Awaitable[event_pb2.Done]]

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


@pytest.fixture
async def record(postgres_url: str) -> AsyncIterator[Record]:
    async with record_database(postgres_url) as database:
        async with database.connection(20):
            pass  # its tables are there
        store = CountingStore(database)
        yield Record(database, store, BatchWriter(store, DeadLetterStore(database)), postgres_url)


@pytest.fixture
def begin(log: JobLog, ask: Ask) -> Callable[..., Awaitable[job_pb2.Job]]:
    """Accepts a job past the gateway, which would have refused it."""

    async def accept(tenant: str, **fields: Any) -> job_pb2.Job:
        accepted = event_pb2.Accepted(tenant=tenant, request=ask(**fields), request_hash="h")
        accepted.expire_time.FromDatetime(datetime.now(UTC) + timedelta(minutes=10))
        first = await log.accept(new_job_id(tenant, job_pb2.PRIORITY_NORMAL), accepted)
        return job_pb2.Job(job_id=first.job_id, last_sequence=first.sequence)

    return accept


@pytest.fixture
def told(ask: Ask) -> Callable[..., event_pb2.JobEvent]:
    """Makes the first event of a job, and the numbers of a log with it."""
    sequences = iter(range(1, 10_000))

    def make(tenant: str = "acme", **fields: Any) -> event_pb2.JobEvent:
        accepted = event_pb2.Accepted(tenant=tenant, request=ask(**fields))
        event = event_pb2.JobEvent(
            job_id=new_job_id(tenant, job_pb2.PRIORITY_NORMAL), sequence=next(sequences), accepted=accepted
        )
        event.time.FromDatetime(datetime.now(UTC))
        return event

    return make


def ended(first: event_pb2.JobEvent, **fields: Any) -> event_pb2.JobEvent:
    done = event_pb2.Done(**{"state": job_pb2.JOB_STATE_SUCCEEDED, **fields})
    return event_pb2.JobEvent(job_id=first.job_id, sequence=first.sequence + 5_000, time=first.time, done=done)


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


@pytest.mark.parametrize("field", ["labels", "model", "webhook_url", "request_id", "key_id"])
async def test_of_a_poisoned_job_all_is_recorded_that_was_not_refused(
    record: Record, told: Any, ask: Ask, field: str
) -> None:
    event = told(webhook_url="https://example.org/", labels={"team": "blue"})
    accepted, request = event.accepted, event.accepted.request
    accepted.request_id, accepted.key_id = "order-1", "k1"
    if field == "labels":
        request.labels["team"] = "\0"
    else:
        setattr(request if field in ("model", "webhook_url") else accepted, field, "\0")
    await record.writer.write([event, ended(event)])
    names = ("labels", "model", "webhook_url", "request_id", "key_id")
    (row,) = record.query("SELECT labels, model, webhook_url, request_id, key_id FROM jobs")
    whole = ({"team": "blue"}, "default", "https://example.org/", "order-1", "k1")
    assert row == tuple(None if name == field else value for name, value in zip(names, whole, strict=True))
    assert await record.store.find("acme", event.job_id) == [event, ended(event)]
    webhooks = record.query("SELECT job_id FROM webhook_deliveries")
    assert webhooks == ([] if field == "webhook_url" else [(event.job_id,)])
    assert record.letters() == [(event.job_id, "accepted", "acme")]


async def test_a_poisoned_end_still_ends_its_job(record: Record, told: Any) -> None:
    first = told(webhook_url="https://example.org/")
    usage = {"prompt_tokens": 7}
    done = ended(first, answer=job_pb2.Answer(provider="local", provider_model="m\0"), total_usage=usage)
    await record.writer.write([first, done])
    columns = record.query("SELECT state, provider, provider_model, prompt_tokens FROM jobs")
    assert columns == [(job_pb2.JOB_STATE_SUCCEEDED, "local", None, 7)]
    assert record.query("SELECT job_id FROM webhook_deliveries") == [(first.job_id,)]
    assert record.letters() == [(first.job_id, "done", "acme")]


def out_of_range(event: event_pb2.JobEvent) -> None:
    event.accepted.expire_time.CopyFrom(Timestamp(seconds=2**60))


def nameless(event: event_pb2.JobEvent) -> None:
    event.job_id = "".join(chr(0x4E00 + 7919 * n % 20_000) for n in range(4_000))


def of_no_state(event: event_pb2.JobEvent) -> None:
    event.done.state = 1_000_000  # type: ignore[assignment]


@pytest.mark.parametrize("spoil", [out_of_range, nameless, of_no_state])
async def test_what_no_row_can_be_made_of_is_a_letter_and_no_more(
    record: Record, told: Any, spoil: Callable[[event_pb2.JobEvent], None]
) -> None:
    bad, good = told(), [told(), told()]
    spoil(bad)
    await record.writer.write([good[0], bad, good[1]])
    assert record.query("SELECT job_id FROM jobs ORDER BY job_id") == sorted((event.job_id,) for event in good)
    ((job_id, event),) = record.query("SELECT job_id, event FROM dead_letters")
    assert bad.job_id.startswith(job_id)
    assert event_pb2.JobEvent.FromString(event) == bad


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


@pytest.mark.parametrize("state", ["22P05", "22021", "22003", "23502", "54000"])
def test_data_that_is_refused_is_poison(state: str) -> None:
    assert is_poison(psycopg.errors.lookup(state)())


@pytest.mark.parametrize("error", [DecodeError(), ValueError(), UnicodeError(), OverflowError()])
def test_an_event_of_which_no_row_can_be_made_is_poison(error: Exception) -> None:
    assert is_poison(error)


@pytest.mark.parametrize("state", ["08006", "53100", "53200", "57P01", "57014", "40001", "40P01", "42P01", "XX000"])
def test_what_may_pass_is_no_poison(state: str) -> None:
    assert not is_poison(psycopg.errors.lookup(state)())


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
