"""Which of the nearest stored answers are compared, and which one serves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft_cache.choice import Candidate, Miss, Reason, Verified, certainty, choose, lead, shortlist
from weft_cache.policy import Terms, Tier

ASKED = "How do I turn on dark mode?"
SAME = "How can I turn dark mode on?"
OPPOSITE = "How do I turn off dark mode?"
TERMS = Terms(Tier.SEMANTIC, max_age_s=60, min_similarity=0.7)


def candidate(similarity=0.9, question=SAME, stored_at=100.0, told="the answer"):
    return Candidate(f"{question}@{similarity}", question, similarity, stored_at, told)


def listed(*candidates, terms=TERMS, threshold=0.0):
    return shortlist(ASKED, candidates, terms, threshold, now=110)


def verified(similarity, confidence):
    return Verified(candidate(similarity), 0.0, confidence)


def test_what_a_guard_objects_to_is_not_compared():
    assert listed(candidate(0.97, OPPOSITE), candidate(0.8)) == [candidate(0.8)]


def test_where_no_confidence_could_be_enough_nothing_is_compared():
    assert listed(candidate(0.8), threshold=0.5) == Miss(Reason.DOUBTED, 0.8)
    assert listed(candidate(0.95), threshold=0.5) == [candidate(0.95)]


@pytest.mark.parametrize(
    ("candidates", "miss"),
    [
        ([], Miss(Reason.NOT_STORED, 0.0)),
        ([candidate(0.6), candidate(0.5)], Miss(Reason.NOT_STORED, 0.6)),
        ([candidate(0.97, stored_at=1), candidate(0.6)], Miss(Reason.TOO_OLD, 0.97)),
        ([candidate(0.97, OPPOSITE), candidate(0.6)], Miss(Reason.GUARDED, 0.97)),
    ],
)
def test_a_miss_says_why_and_how_near_it_was(candidates, miss):
    assert listed(*candidates) == miss


def test_a_caller_who_wants_more_similarity_has_less_compared():
    strict = Terms(Tier.SEMANTIC, max_age_s=60, min_similarity=0.93)
    assert listed(candidate(0.95), candidate(0.9), terms=strict) == [candidate(0.95)]


def test_a_candidate_leads_by_its_distance_to_the_nearest_other_answer():
    first, second = candidate(0.9), candidate(0.8, told="another")
    assert lead(first, [first, second]) == pytest.approx(0.1)
    assert lead(second, [first, second]) == pytest.approx(-0.1)
    assert lead(first, [first, candidate(0.85), second]) == pytest.approx(0.1)


def test_neighbours_with_one_answer_confirm_it_and_a_few_tell_nothing():
    alone = candidate(0.9)
    assert lead(alone, [alone]) == lead(alone, [alone, candidate(0.89)]) == 0
    assert lead(alone, [alone, candidate(0.89), candidate(0.88)]) > 0.1


@given(st.floats(0, 1), st.floats(-0.25, 0.25), st.floats(0, 1), st.floats(0, 0.2))
def test_more_of_anything_makes_it_no_less_certain(similarity, ahead, confidence, more):
    before = certainty(similarity, ahead, confidence)
    assert 0 <= before <= 1
    assert certainty(similarity + more, ahead, confidence) >= before
    assert certainty(similarity, ahead + more, confidence) >= before
    assert certainty(similarity, ahead, confidence + more) >= before


def test_the_most_certain_serves_even_when_another_is_nearer():
    near, sure = verified(0.95, 0.1), verified(0.93, 0.97)
    assert choose([near, sure], threshold=0.1) == sure


def test_none_serves_in_doubt():
    assert choose([verified(0.9, 0.5), verified(0.8, 0.9)], threshold=0.5) == Miss(Reason.DOUBTED, 0.9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=3), st.floats(0, 1))
def test_a_higher_threshold_never_serves_more(confidences, threshold):
    compared = [verified(0.95, confidence) for confidence in confidences]
    if isinstance(choose(compared, threshold), Miss):
        assert isinstance(choose(compared, min(1.1, threshold + 0.1)), Miss)
