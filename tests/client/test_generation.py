"""What a reader of a job ends up with, whatever happens to its streams."""

import hashlib

import pytest

from weft.job.v1 import event_pb2, job_pb2
from weft_client import CorruptAnswer, Token
from weft_kit.errors import Draining, Unauthenticated, WeftError


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
