"""Fusion, analysis, page tokens, metadata: values in, values out."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft_kit.rpc.errors import InvalidFields
from weft_retrieval import uploads
from weft_retrieval.analysis.analysis import analyzer
from weft_retrieval.formats import Parsed
from weft_retrieval.metadata import Fact, facts, point_in_time
from weft_retrieval.ranking.fusion import fuse, vote
from weft_retrieval.uploads import Upload

EQUAL = {"dense": 1.0, "keyword": 1.0}
legs = st.lists(st.integers(0, 50), unique=True, max_size=30).map(
    lambda ids: [(chunk, 1 / (chunk + 1)) for chunk in sorted(ids)]
)


def test_a_chunk_both_legs_find_stands_above_what_one_finds():
    fused = fuse({"dense": [(1, 0.9), (2, 0.8)], "keyword": [(3, 7.0), (2, 5.0)]}, EQUAL, 60)
    assert [hit.chunk for hit in fused] == [2, 1, 3]
    assert fused[0].score == pytest.approx((0.8 / 0.9 + 5 / 7) / 2)
    assert {name: (seen.rank, seen.score) for name, seen in fused[0].legs.items()} == {
        "dense": (2, 0.8),
        "keyword": (2, 5.0),
    }
    assert list(fused[1].legs) == ["dense"]


def test_a_leg_that_is_sure_overrules_one_that_is_not():
    sure, unsure = [(1, 9.0), (2, 3.0), (3, 1.0)], [(2, 0.52), (1, 0.51), (3, 0.3)]
    assert fuse({"dense": unsure, "keyword": sure}, EQUAL, 60)[0].chunk == 1


def test_the_last_of_a_leg_that_was_cut_off_counts_as_little_as_what_it_left_out():
    cut = fuse({"dense": [(1, 0.9), (2, 0.8)]}, EQUAL, 2)
    assert [hit.score for hit in cut] == [0.5, 0.0]
    whole = fuse({"dense": [(1, 0.9), (2, 0.8)]}, EQUAL, 3)
    assert [hit.score for hit in whole] == pytest.approx([0.5, 0.5 * 0.8 / 0.9])


def test_weights_decide_between_legs_that_disagree():
    two = {"dense": [(1, 0.9)], "keyword": [(2, 7.0)]}
    assert fuse(two, {"dense": 1.0, "keyword": 2.0}, 60)[0].chunk == 2
    assert fuse(two, {"dense": 2.0, "keyword": 1.0}, 60)[0].chunk == 1


@given(legs, legs)
def test_fusion_keeps_every_chunk_once_and_does_not_depend_on_the_order_of_legs(dense, keyword):
    fused = fuse({"dense": dense, "keyword": keyword}, EQUAL, 30)
    assert sorted(hit.chunk for hit in fused) == sorted({chunk for chunk, _ in (*dense, *keyword)})
    assert [hit.score for hit in fused] == sorted((hit.score for hit in fused), reverse=True)
    assert all(0 <= hit.score <= 1 for hit in fused)
    swapped = fuse({"keyword": keyword, "dense": dense}, EQUAL, 30)
    assert [hit.chunk for hit in swapped] == [hit.chunk for hit in fused]


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30))
def test_fusing_keeps_the_order_of_a_single_leg(scores):
    leg = list(enumerate(sorted(scores, reverse=True)))
    assert [hit.chunk for hit in fuse({"dense": leg, "keyword": []}, EQUAL, 30)] == [chunk for chunk, _ in leg]


def test_a_third_opinion_moves_those_it_is_about_and_leaves_the_rest_behind():
    fused = fuse({"dense": [(1, 0.9), (2, 0.85), (3, 0.8), (4, 0.7)]}, {"dense": 1.0}, 60)
    voted = vote(fused, [-3.0, 7.0, 6.0], 0.5)
    assert [hit.chunk for hit in voted] == [2, 3, 1, 4]
    assert voted[0].score == pytest.approx((0.85 / 0.9 + 1) / 2)
    assert vote(fused, [], 0.5) == fused


@pytest.mark.parametrize(
    ("language", "text", "terms"),
    [
        ("english", "The Running of the foxes", ["run", "fox"]),
        ("english", "Newton's 3.14, U.S.A.", ["newton", "3.14", "usa"]),
        ("english", "don\u2019t-ask", ["dont", "ask", "dontask"]),
        ("english", "\ufb01ne \u212bngstr\u00f6m", ["fine", "angstrom", "\u00e5ngstr\u00f6m", "aangstroem"]),
        ("simple", "The Running of the foxes", ["the", "running", "of", "the", "foxes"]),
        ("english", "東京 tower", ["東", "京", "東京", "tower"]),
        ("english", "ERR-4031", ["err", "4031", "err4031"]),
    ],
)
def test_text_becomes_terms(language, text, terms):
    assert analyzer(language)(text).counts == Counter(terms)


def test_metadata_becomes_one_fact_a_value():
    found = facts(
        {"who": "ann", "n": 3.0, "ok": True, "tags": ["a", 1.0], "none": [], "at": "2024-02-29T12:00:00+02:00"}
    )
    assert found == (
        Fact("who", text="ann"), Fact("n", number=3.0), Fact("ok", flag=True), Fact("tags", text="a"),
        Fact("tags", number=1.0),
        Fact("at", text="2024-02-29T12:00:00+02:00", time=datetime(2024, 2, 29, 10, tzinfo=UTC)),
    )  # fmt: skip


def test_metadata_that_is_not_allowed_is_named_key_by_key():
    with pytest.raises(InvalidFields) as caught:
        facts({"good": 1.0, "bad key": 1.0, "null": None, "deep": [["x"]]})
    assert set(caught.value.violations) == {
        'document.metadata["bad key"]', 'document.metadata["null"]', 'document.metadata["deep"]'
    }  # fmt: skip
    with pytest.raises(InvalidFields, match="at most 1024"):
        facts({"many": [1.0] * 1025})


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-01-01T00:00:00Z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01t00:00:00.123456789z", datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("2024-01-01T00:00:00-05:30", datetime(2024, 1, 1, 5, 30, tzinfo=UTC)),
        ("2024-01-01", None),
        ("2024-01-01 00:00:00Z", None),
        ("2024-02-30T00:00:00Z", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("tomorrow", None),
    ],
)
def test_times_are_rfc_3339(text, time):
    assert point_in_time(text) == time


@pytest.mark.parametrize(
    ("source_uri", "title"),
    [("https://x.test/a/b.txt?q=/1#/2", "b.txt"), ("file:///notes/", "notes"), ("http://[bad", "[bad"), ("", "")],
)
def test_a_document_without_a_title_or_heading_is_called_like_its_source(source_uri, title):
    assert Upload(b"x", source_uri=source_uri).title_for(Parsed("x")) == title


def test_an_upload_is_the_same_only_when_everything_sent_is():
    first = Upload(b"x", "d", metadata={"a": 1.0, "b": 2.0})
    assert first.fingerprint == Upload(b"x", "d", metadata={"b": 2.0, "a": 1.0}).fingerprint
    others = (
        Upload(b"y", "d", metadata=first.metadata),
        Upload(b"x", "d"),
        Upload(b"x", "d", "t", metadata=first.metadata),
    )
    assert first.fingerprint not in {other.fingerprint for other in others}


def test_what_was_read_otherwise_is_not_the_same(monkeypatch):
    before = Upload(b"x", "d").fingerprint
    monkeypatch.setattr(uploads, "READING", uploads.READING + 1)
    assert Upload(b"x", "d").fingerprint != before
