"""The pure rules of webhooks: signatures, targets, waits, places and what an answer means."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError
from tests.gateway.conftest import Ask

from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.config import Config
from weft_gateway.webhooks.backoff import Backoff, retry_after_s
from weft_gateway.webhooks.deliveries import outcome_of
from weft_gateway.webhooks.fair_share import share_places
from weft_gateway.webhooks.payload import payload
from weft_gateway.webhooks.public_addresses import private_address
from weft_gateway.webhooks.signing import derive_secret, show_secret, signed_headers

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEY = "k" * 32
OLD, NEW = derive_secret(KEY, "acme", 1), derive_secret(KEY, "acme", 2)


def headers(*secrets: bytes, body: bytes = b'{"a":1}') -> dict[str, str]:
    return signed_headers(secrets, "job-1", int(datetime.now(UTC).timestamp()), body)


def test_every_secret_that_signs_verifies_and_no_other() -> None:
    signed = headers(NEW, OLD)
    for secret in (NEW, OLD):
        assert Webhook(show_secret(secret)).verify(b'{"a":1}', signed) == {"a": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(show_secret(derive_secret(KEY, "acme", 3))).verify(b'{"a":1}', signed)


@pytest.mark.parametrize(
    ("header", "value"),
    [("webhook-id", "job-2"), ("webhook-timestamp", str(int(datetime.now(UTC).timestamp()) - 60))],
    ids=["webhook-id", "webhook-timestamp"],  # a time is another one in each process that collects tests
)
def test_a_header_that_was_tampered_with_fails(header: str, value: str) -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(show_secret(NEW)).verify(b'{"a":1}', {**headers(NEW), header: value})


def test_a_body_that_was_tampered_with_fails() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(show_secret(NEW)).verify(b'{"a":2}', headers(NEW))


def test_signatures_are_those_of_the_specification() -> None:
    # The example of the reference libraries.
    body = b'{"test": 2432232314}'
    secret = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")._whsecret
    signed = signed_headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_of_one_key_one_tenant_and_one_generation() -> None:
    secrets = [
        derive_secret(*of) for of in ((KEY, "acme", 1), (KEY, "acme", 2), (KEY, "acme-1", 2), ("l" * 32, "acme", 1))
    ]
    assert len(set(secrets)) == 4
    assert {len(secret) for secret in secrets} == {32}
    assert derive_secret(KEY, "acme", 1) == secrets[0]


def test_a_signing_key_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 32 characters"):
        Config(webhook_signing_key="short")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::10.0.0.1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
    ],
)
def test_an_address_that_is_not_public_is_found_among_public_ones(address: str) -> None:
    assert private_address(["93.184.216.34", address]) == address


def test_public_addresses_are_not_private() -> None:
    public = ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::93.184.216.34", "::ffff:93.184.216.34"]
    assert private_address(public) is None


def test_waits_between_tries_double_and_end() -> None:
    schedule = Backoff(first_s=1, longest_s=5, tries=5)
    assert [schedule.next_s(n, None, share=1) for n in range(1, 6)] == [1, 2, 4, 5, None]


def test_waits_are_spread_over_all_they_may_be() -> None:
    schedule = Backoff(first_s=8)
    assert [schedule.next_s(2, None, share) for share in (0, 0.5, 1)] == [0, 8, 16]


def test_the_tries_span_about_a_day() -> None:
    schedule = Backoff()
    waits = [schedule.next_s(made, None, share=0.5) or 0 for made in range(1, schedule.tries)]
    assert timedelta(hours=20) < timedelta(seconds=sum(waits)) < timedelta(hours=30)
    assert schedule.next_s(1, None, share=1) == 5
    assert max(waits) == 3 * 3600


def test_a_target_may_ask_for_more_patience_within_bounds() -> None:
    schedule = Backoff(first_s=1, longest_s=100, tries=10_000)
    assert schedule.next_s(1, 30, share=1) == 30
    assert schedule.next_s(6, 30, share=1) == 32
    assert schedule.next_s(1, 1e9, share=0) == 100
    assert schedule.next_s(9_999, None, share=1) == 100


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, None),
        ("", None),
        ("120", 120),
        ("Sat, 31 Jan 2026 12:00:30 GMT", 30),
        ("Sat, 31 Jan 2026 11:00:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("²", None),
        ("Sat, 31 Jan 99999 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str | None, wait_s: float | None) -> None:
    assert retry_after_s(header, NOW) == wait_s


def test_any_2xx_delivers_410_ends_and_all_else_is_tried_again() -> None:
    assert [outcome_of(status, None).delivered for status in (200, 204, 302, 400, 410, 500)] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    assert [outcome_of(status, None).final for status in (302, 400, 404, 410, 429, 500)] == [
        False,
        False,
        False,
        True,
        False,
        False,
    ]


def test_places_go_to_those_who_hold_the_fewest() -> None:
    assert share_places(3, ["a", "b", "c"], {"a": 4, "b": 1}, most=8) == {"b": 1, "c": 2}
    assert share_places(2, ["a", "b", "c"], {}, most=8) == {"a": 1, "b": 1}


def test_no_tenant_holds_more_than_its_share_though_places_are_free() -> None:
    assert share_places(64, ["a", "b"], {"a": 7, "b": 8}, most=8) == {"a": 1}
    assert share_places(0, ["a"], {}, most=8) == {}


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"])
def test_a_payload_names_the_end_its_time_and_the_job(ask: Ask, state: str) -> None:
    accepted = event_pb2.JobEvent(sequence=1, accepted=event_pb2.Accepted(tenant="acme", request=ask("Grüße?")))
    done = event_pb2.JobEvent(sequence=2, done=event_pb2.Done(state=job_pb2.JobState.Value(f"JOB_STATE_{state}")))
    done.time.FromDatetime(NOW)
    body = payload("job-1", [accepted.SerializeToString(), done.SerializeToString()])
    event = json.loads(body)
    assert (event["type"], event["timestamp"]) == (f"job.{state.lower()}", "2026-01-31T12:00:00Z")
    assert (event["data"]["jobId"], event["data"]["state"]) == ("job-1", f"JOB_STATE_{state}")
    assert "Grüße?".encode() in body
