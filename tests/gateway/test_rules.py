"""The gateway's pure rules: keys, rates, pages, records."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations

import pytest

from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.auth.gcra import Rate, RateLimit
from weft_gateway.auth.keys import (
    Key,
    hash_secret,
    new_credential,
    prove,
    read_credential,
)
from weft_gateway.auth.local_limiter import LocalLimiter
from weft_gateway.record.rows import rows
from weft_kit.joblog import new_job_id
from weft_kit.rpc.errors import Unauthenticated
from weft_kit.rpc.peers import address_of

Ask = Callable[..., job_pb2.GenerationRequest]


def test_a_credential_survives_its_journey_in_a_header() -> None:
    credential = new_credential()
    assert read_credential(f"Bearer {credential}") == credential
    assert read_credential(f"bearer {credential}") == credential


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic wk_a_b", "Bearer wk_short_x", "wk_a_b"])
def test_what_is_no_credential_is_refused(header: str) -> None:
    with pytest.raises(Unauthenticated):
        read_credential(header)


def test_only_the_right_secret_of_a_good_key_proves_it() -> None:
    credential = new_credential()
    now = datetime.now(UTC)
    key = Key(credential.key_id, "acme", "test", hash_secret(credential.secret), now)
    assert prove(key, credential) is key
    for wrong in (None, replace(key, secret_hash=hash_secret("other")), replace(key, revoke_time=now)):
        with pytest.raises(Unauthenticated):
            prove(wrong, credential)


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    limiter, limit = LocalLimiter(), RateLimit("key", "k", Rate.per_minute(60, burst_s=3))
    assert [limiter.admit([limit], 0) is None for _ in range(5)] == [True, True, True, False, False]
    refusal = limiter.admit([limit], 0)
    assert refusal is not None
    assert refusal.wait_us == 1_000_000
    assert limiter.admit([limit], refusal.wait_us) is None
    assert limiter.admit([limit], refusal.wait_us) is not None


def test_a_refused_call_counts_under_none_of_its_limits() -> None:
    limiter = LocalLimiter()
    narrow, wide = (RateLimit("key", name, Rate.per_minute(60, burst_s=n)) for name, n in (("narrow", 1), ("wide", 2)))
    assert limiter.admit([narrow, wide], 0) is None
    refusal = limiter.admit([narrow, wide], 0)
    assert refusal is not None
    assert refusal.limit is narrow
    assert limiter.admit([wide], 0) is None


def test_a_flood_of_addresses_does_not_fill_the_memory() -> None:
    limiter = LocalLimiter(capacity=100)
    for i in range(1_000):
        limiter.admit([RateLimit("address", str(i), Rate.per_minute(60, burst_s=1))], i)
    assert len(limiter._due_us) <= 100


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:127.0.0.1:5000", "127.0.0.1"),
        ("ipv6:%5B::1%5D:5000", "::1"),
        ("ipv6:[2001:db8::1]:80", "2001:db8::1"),
        ("unix:/tmp/socket", "unix:/tmp/socket"),
    ],
)
def test_an_address_is_read_from_the_name_of_a_peer(peer: str, address: str) -> None:
    assert address_of(peer) == address


def story(ask: Ask) -> list[event_pb2.JobEvent]:
    job_id = new_job_id("acme", job_pb2.PRIORITY_NORMAL)
    accepted = event_pb2.Accepted(tenant="acme", request=ask("x" * 1000, webhook_url="https://example.org"))
    done = event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, answer=job_pb2.Answer(text="y" * 1000, provider="p"))
    return [
        event_pb2.JobEvent(job_id=job_id, sequence=1, accepted=accepted),
        event_pb2.JobEvent(job_id=job_id, sequence=2, started=event_pb2.Started(attempt=1, provider="p")),
        event_pb2.JobEvent(job_id=job_id, sequence=9, done=done),
    ]


def test_a_record_is_the_same_in_whatever_order_events_come(ask: Ask) -> None:
    events = story(ask)
    in_order = rows(events)
    assert [row.state for row in in_order] == [job_pb2.JOB_STATE_SUCCEEDED]
    assert all(rows(order) == in_order for order in permutations(events))


def test_the_brief_events_hold_neither_prompt_nor_answer(ask: Ask) -> None:
    (row,) = rows(story(ask))
    assert len(row.accepted or b"") > 1000
    assert len(row.accepted_brief or b"") < 200
    assert len(row.done_brief or b"") < 200
