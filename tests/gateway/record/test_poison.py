"""Of a poisoned event all is recorded that PostgreSQL does not refuse, and only data makes one poisoned."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from tests.gateway.conftest import Ask
from tests.gateway.record.letters import Record, ended

from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.record.dead_letters import is_poison


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


@pytest.mark.parametrize("state", ["22P05", "22021", "22003", "23502", "54000"])
def test_data_that_is_refused_is_poison(state: str) -> None:
    assert is_poison(psycopg.errors.lookup(state)())


@pytest.mark.parametrize("error", [DecodeError(), ValueError(), UnicodeError(), OverflowError()])
def test_an_event_of_which_no_row_can_be_made_is_poison(error: Exception) -> None:
    assert is_poison(error)


@pytest.mark.parametrize("state", ["08006", "53100", "53200", "57P01", "57014", "40001", "40P01", "42P01", "XX000"])
def test_what_may_pass_is_no_poison(state: str) -> None:
    assert not is_poison(psycopg.errors.lookup(state)())
