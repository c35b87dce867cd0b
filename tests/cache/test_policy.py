"""Rules: when the cache may answer, and what it may keep for how long."""

import math

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft_cache.policy import Tier, life_s, storable, terms
from weft_cache.semantic.choice import age_s

OFF, EXACT, SEMANTIC = job_pb2.CACHE_MODE_OFF, job_pb2.CACHE_MODE_EXACT, job_pb2.CACHE_MODE_SEMANTIC
TOOL = chat_pb2.Tool(name="f")


def asked(mode=0, temperature=None, tools=(), **policy):
    sampling = chat_pb2.SamplingParams() if temperature is None else chat_pb2.SamplingParams(temperature=temperature)
    return job_pb2.GenerationRequest(
        sampling=sampling, tools=tools, cache=job_pb2.CachePolicy(mode=mode, **policy), model="m"
    )


def tier(request, version=0):
    agreed = terms(request, version, 0.95)
    return agreed.tier if agreed else None


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (asked(temperature=0), Tier.EXACT),
        (asked(temperature=0.1), None),
        (asked(temperature=None), None),
        (asked(temperature=0, tools=[TOOL]), None),
        (asked(mode=99, temperature=0), Tier.EXACT),
        (asked(mode=99, temperature=1), None),
        (asked(OFF, temperature=0), None),
        (asked(EXACT, temperature=1), Tier.EXACT),
        (asked(EXACT, temperature=1, tools=[TOOL]), Tier.EXACT),
        (asked(SEMANTIC, temperature=1, tools=[TOOL]), Tier.SEMANTIC),
    ],
)
def test_an_explicit_mode_wins_and_the_default_is_for_greedy_words(request_, expected):
    assert tier(request_) is expected


def test_retrieval_without_a_version_is_not_cached():
    request = asked(SEMANTIC)
    request.retrieval.collection = "docs"
    assert (tier(request, 0), tier(request, 3)) == (None, Tier.SEMANTIC)


@given(st.floats(width=32))
def test_a_caller_can_only_ask_for_more_similarity(asked_for):
    agreed = terms(asked(SEMANTIC, min_similarity=asked_for), 0, 0.95)
    assert agreed.min_similarity == (max(0.95, asked_for))


def test_the_oldest_age_is_the_callers_or_any():
    assert terms(asked(EXACT, max_age=Duration(seconds=1, nanos=500_000_000)), 0, 0.95).max_age_s == 1.5
    assert terms(asked(EXACT), 0, 0.95).max_age_s == math.inf


@pytest.mark.parametrize(
    "unfit",
    [
        {"finish_reason": chat_pb2.FINISH_REASON_LENGTH},
        {"finish_reason": chat_pb2.FINISH_REASON_CONTENT_FILTER},
        {"finish_reason": chat_pb2.FINISH_REASON_TOOL_CALLS},
        {"finish_reason": chat_pb2.FINISH_REASON_UNSPECIFIED},
        {"text": ""},
        {"text": " \n"},
        {"tool_calls": [chat_pb2.ToolCall(id="1", name="f")]},
    ],
)
def test_only_a_finished_answer_in_words_is_kept(unfit):
    fit = {"text": "Paris.", "finish_reason": chat_pb2.FINISH_REASON_STOP}
    assert storable(job_pb2.Answer(**fit))
    assert not storable(job_pb2.Answer(**(fit | unfit)))


@given(st.floats(0, 1, exclude_max=True))
def test_a_life_is_shortened_and_never_prolonged(drawn):
    assert 90 <= life_s(100, 0.1, drawn) <= 100


def test_a_clock_that_runs_ahead_makes_nothing_older_than_new():
    assert (age_s(100, now=99), age_s(100, now=101)) == (0, 1)
