"""Which of the nearest stored answers are compared, and which one serves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft_cache.policy import LookupTerms, Tier
from weft_cache.records import Candidate
from weft_cache.semantic.choice import Miss, Reason, Shortlist, Verified, choose, shortlist

ASKED = "How do I turn on dark mode?"
SAME = "How can I turn dark mode on?"
OPPOSITE = "How do I turn off dark mode?"
TERMS = LookupTerms(Tier.SEMANTIC, max_age_s=60, min_similarity=0.7)


def candidate(similarity=0.9, question=SAME, stored_at=100.0, told="the answer"):
    return Candidate(f"{question}@{similarity}", question, similarity, stored_at, told)


def listed(*candidates, terms=TERMS, threshold=0.0):
    return shortlist(ASKED, candidates, terms, threshold, now=110)


def compared(found):
    """What is read: those that may serve, and their rivals."""
    assert isinstance(found, Shortlist)
    return found.servable, found.rivals


def chosen(*sure, terms=TERMS, threshold=0.5):
    """Each a candidate and how sure the verifier is of it."""
    candidates = [one for one, _ in sure]
    found = listed(*candidates, terms=terms, threshold=threshold)
    if isinstance(found, Miss):
        return found
    confidences = {one.key: confidence for one, confidence in sure}
    read = [confidences[one.key] for one in found.compared]
    return choose(candidates, found, read, threshold)


def test_what_a_guard_objects_to_is_not_compared():
    assert compared(listed(candidate(0.97, OPPOSITE), candidate(0.8))) == ([candidate(0.8)], [])


def test_where_no_confidence_could_be_enough_nothing_is_compared():
    far = candidate(0.8, told="one"), candidate(0.79, told="two")
    assert listed(*far, threshold=0.5) == Miss(Reason.DOUBTED, 0.8)
    assert compared(listed(*far, threshold=0.0)) == (list(far), [])


def test_of_what_cannot_serve_only_rivals_within_reach_are_compared():
    near, rival, far = candidate(0.95), candidate(0.86, told="two"), candidate(0.72, told="three")
    assert compared(listed(near, rival, far, threshold=0.5)) == ([near], [rival])


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


def test_what_the_callers_terms_leave_out_is_a_rival_still():
    strict = LookupTerms(Tier.SEMANTIC, max_age_s=60, min_similarity=0.93)
    near, less, old = candidate(0.95), candidate(0.9), candidate(0.94, stored_at=1)
    assert compared(listed(near, old, less, terms=strict)) == ([near], [old, less])


def test_the_most_certain_serves_even_when_another_is_nearer():
    near, sure = candidate(0.98, told="one"), candidate(0.96, told="two")
    served = chosen((near, 0.1), (sure, 0.999))
    assert isinstance(served, Verified)
    assert (served.candidate, served.confidence) == (sure, 0.999)


def test_what_a_guard_refused_is_no_rival_in_the_verifiers_eyes():
    one = candidate(0.95, told="one")
    beside_refused = chosen((one, 0.9), (candidate(0.93, OPPOSITE, told="two"), 0.9), threshold=0.0)
    beside_rival = chosen((one, 0.9), (candidate(0.93, told="two"), 0.9), threshold=0.0)
    assert beside_refused.certainty > beside_rival.certainty


def test_none_serves_in_doubt():
    doubtful = candidate(0.95, told="one"), candidate(0.94, told="two")
    assert chosen(*((one, 0.8) for one in doubtful), threshold=0.9) == Miss(Reason.DOUBTED, 0.95)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=3), st.floats(0, 1))
def test_a_higher_threshold_never_serves_more(confidences, threshold):
    sure = [(candidate(0.95 - place / 100), confidence) for place, confidence in enumerate(confidences)]
    if isinstance(chosen(*sure, threshold=threshold), Miss):
        assert isinstance(chosen(*sure, threshold=min(1.1, threshold + 0.1)), Miss)


@given(
    st.lists(st.tuples(st.floats(0.7, 1), st.sampled_from("ab"), st.floats(0, 1)), min_size=1, max_size=5),
    st.floats(0.7, 1),
)
def test_stricter_terms_never_serve_what_looser_ones_would_not(near, min_similarity):
    sure = [(candidate(similarity, told=told), confidence) for similarity, told, confidence in near]
    strict = LookupTerms(Tier.SEMANTIC, max_age_s=60, min_similarity=min_similarity)
    if isinstance(chosen(*sure), Miss):
        assert isinstance(chosen(*sure, terms=strict), Miss)


@given(
    st.lists(st.tuples(st.floats(0.7, 1), st.sampled_from("ab"), st.floats(0, 1)), min_size=1, max_size=5),
    st.floats(0.01, 1),
)
def test_reading_less_where_a_threshold_is_given_changes_nothing(near, threshold):
    sure = [(candidate(similarity, told=told), confidence) for similarity, told, confidence in near]
    all_read, least_read = chosen(*sure, threshold=0.0), chosen(*sure, threshold=threshold)
    if isinstance(all_read, Verified) and all_read.certainty >= threshold:
        assert least_read == all_read
    else:
        assert isinstance(least_read, Miss)
