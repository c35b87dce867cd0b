"""What a reader of a job ends up with, whatever happens to its streams."""

import hashlib

import pytest
from tests.client.gateways import HOLD

from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import event_pb2, job_pb2
from weft_cli.views.answer import drain
from weft_client import CorruptAnswer, Token
from weft_client.streams import was_served
from weft_kit.rpc.errors import (
    DeadlineExceeded,
    DependencyDown,
    Draining,
    Unauthenticated,
    WeftError,
)


async def test_tokens_arrive_and_add_up(playing, say):
    script = [say.accepted(), say.started(), say.delta("Hal"), say.delta("lo"), say.done("Hallo")]
    async with playing(script) as (weft, _):
        generation = weft.generate("hi")
        tokens = [token async for token in generation]
    assert tokens == [Token("Hal"), Token("lo")]
    assert generation.text == "Hallo"
    assert generation.job_id == say.job_id
    assert generation.done.state == job_pb2.JOB_STATE_SUCCEEDED


async def test_withdrawn_text_is_taken_back(playing, say):
    begin = [say.accepted(), kept := say.delta("The lamp is ")]
    script = [*begin, say.delta("red."), say.rewound(to=kept), say.started(2), say.delta("green.")]
    async with playing([*script, say.done("The lamp is green.")]) as (weft, _):
        generation = weft.generate("hi")
        tokens = [token async for token in generation]
    assert tokens[2:] == [Token("", withdrawn=4), Token("green.")]
    assert generation.text == "The lamp is green."


async def test_reasoning_comes_apart_from_the_text_and_is_withdrawn_with_it(playing, say):
    begin = [say.accepted(), kept := say.started(), say.delta("", "Red? "), say.delta("Red.", "Yes.")]
    again = [say.rewound(to=kept), say.delta("", "Green."), say.delta("It is green.")]
    async with playing([*begin, *again, say.done("It is green.", reasoning="Green.")]) as (weft, _):
        generation = weft.generate("hi")
        tokens = [token async for token in generation]
    assert tokens == [
        Token("", reasoning="Red? "),
        Token("Red.", reasoning="Yes."),
        Token("", withdrawn=4, withdrawn_reasoning=9),
        Token("", reasoning="Green."),
        Token("It is green."),
    ]
    assert (generation.text, generation.reasoning) == ("It is green.", "Green.")


async def test_a_lone_done_gives_the_whole_text(playing, say):
    async with playing([say.done("from the cache")]) as (weft, _):
        tokens = [token async for token in weft.generate("hi")]
    assert tokens == [Token("from the cache")]


async def test_a_broken_stream_goes_on_where_it_broke_off(playing, say):
    first = [say.accepted(), say.delta("one "), Draining(retry_after_s=0.01)]
    # The second replica repeats an event the reader has had.
    second = [first[1], say.delta("two "), Draining(retry_after_s=0.01)]
    third = [say.delta("three"), say.done("one two three")]
    async with playing(first, second, third) as (weft, gateway):
        tokens = [token.text async for token in weft.generate("hi")]
    assert tokens == ["one ", "two ", "three"]
    assert [request.after_sequence for request in gateway.asked[1:]] == [6, 9]


async def test_a_stream_that_ends_without_done_is_read_on(playing, say):
    async with playing([say.accepted(), say.delta("half")], [say.done("half and half")]) as (weft, _):
        generation = weft.generate("hi")
        tokens = [token.text async for token in generation]
    assert tokens == ["half", " and half"]
    assert generation.text == "half and half"


async def test_a_text_that_does_not_match_its_hash_is_refused(playing, say):
    other = hashlib.sha256(b"another text").hexdigest()
    async with playing([say.accepted(), say.delta("a"), say.done("a", text_hash=other)]) as (weft, _):
        with pytest.raises(CorruptAnswer, match=say.job_id):
            _ = [token async for token in weft.generate("hi")]


async def test_a_refusal_before_the_first_event_is_raised_at_once(playing):
    async with playing([Unauthenticated("no such key; create one")]) as (weft, gateway):
        with pytest.raises(WeftError, match="no such key") as refused:
            _ = [token async for token in weft.generate("hi")]
    assert refused.value.reason_name == "UNAUTHENTICATED"
    assert len(gateway.asked) == 1


async def test_before_the_first_event_the_same_call_is_made_again(playing, say):
    away = [Draining(retry_after_s=0.01)]
    async with playing(away, [], away, [say.accepted(), say.done("ok")]) as (weft, gateway):
        assert [token.text async for token in weft.generate("hi")] == ["ok"]
    assert len(gateway.asked) == 4
    assert all(request == gateway.asked[0] for request in gateway.asked)
    assert gateway.asked[0].request_id


async def test_gateways_that_stay_away_are_given_up(playing):
    async with playing(*[[Draining(retry_after_s=0.02)]] * 20, patience_s=0.05) as (weft, gateway):
        with pytest.raises(WeftError, match="shutting down"):
            _ = [token async for token in weft.generate("hi")]
    assert 1 <= len(gateway.asked) < 20


async def test_events_renew_the_patience(playing, say):
    acts = [[say.delta(f"{n} "), Draining(retry_after_s=0.03)] for n in range(5)]
    async with playing(*acts, [say.done("0 1 2 3 4 ")], patience_s=0.25) as (weft, _):
        generation = weft.generate("hi")
        assert len([token async for token in generation]) == 5
    assert generation.done


@pytest.mark.parametrize(
    ("failure", "open_s", "served"),
    [
        (Draining(), 0.1, False),
        (Draining(), 60.0, True),
        (DependencyDown("gateway", "the connection broke"), 0.1, False),
        (DependencyDown("gateway", "the connection broke"), 60.0, True),
        (DependencyDown("nats", "the log does not answer"), 35.0, False),
        (DependencyDown("nats", "the log does not answer"), 3600.0, True),
    ],
)
def test_a_stream_that_was_silent_for_long_was_served_all_the_same(failure, open_s, served):
    assert was_served(failure, open_s) is served


async def test_a_job_that_goes_with_its_reader_is_read_on_by_the_call_that_says_so(playing, say):
    first = [accepted := say.accepted(), one := say.delta("one "), Draining(retry_after_s=0.01)]
    again = [accepted, one, say.delta("two"), say.done("one two")]
    async with playing(first, again) as (weft, gateway):
        generation = weft.generate("hi", on_disconnect=pb.ON_DISCONNECT_CANCEL)
        assert [token.text async for token in generation] == ["one ", "two"]
    assert gateway.asked[0] == gateway.asked[1]
    assert gateway.asked[0].on_disconnect == pb.ON_DISCONNECT_CANCEL


async def test_terms_are_passed_on(playing, say):
    async with playing([say.done("a")], [say.done("b")]) as (weft, gateway):
        await drain(weft.generate("hi", on_disconnect=pb.ON_DISCONNECT_DETACH_FOR, detach_for_s=90))
        await drain(weft.generate("hi", "r-1", expire_in_s=5, max_tokens=7))
    detached, expiring = gateway.asked
    assert detached.detach_for.ToTimedelta().total_seconds() == 90
    assert not detached.expire_with_call
    assert (expiring.expire_with_call, expiring.request_id) == (True, "r-1")
    assert (expiring.HasField("detach_for"), expiring.request.sampling.max_tokens) == (False, 7)


async def test_a_call_that_expires_ends_on_time(playing, say):
    async with playing([say.accepted(), HOLD]) as (weft, _):
        with pytest.raises(DeadlineExceeded):
            await drain(weft.generate("hi", expire_in_s=0.2))


async def test_following_from_the_middle_gives_only_what_came_after(playing, say):
    _, middle = say.delta("before "), say.delta("middle ")
    async with playing([say.delta("after"), say.done("before middle after")]) as (weft, gateway):
        tokens = [token.text async for token in weft.follow(say.job_id, after_sequence=middle.sequence)]
    assert tokens == ["after"]
    assert gateway.asked[0].after_sequence == middle.sequence


async def test_unknown_events_are_ignored(playing, say):
    unknown = event_pb2.JobEvent(job_id=say.job_id, sequence=1)
    async with playing([unknown, say.delta("a"), say.done("a")]) as (weft, _):
        assert [token.text async for token in weft.generate("hi")] == ["a"]
