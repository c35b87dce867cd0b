"""How near, what the verifier says and what else is near, taken together."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from weft_cache.semantic.scoring import (
    LEAST_CONFIDENCE,
    NEAR,
    WEIGHTS,
    Neighbour,
    certainty,
)

shares = st.floats(0, 1)
neighbours = st.builds(Neighbour, similarity=shares, told=st.sampled_from("abc"), confidence=shares)
others = st.lists(neighbours, max_size=4)


def like(similarity, told="this", confidence=0.99):
    return Neighbour(similarity, told, confidence)


@given(neighbours, others)
def test_nothing_outvotes_a_verifier_that_says_no(one, near):
    refused = replace(one, confidence=min(one.confidence, LEAST_CONFIDENCE - 1e-9))
    assert certainty(refused, [refused, *near]) == 0


@given(neighbours, others, neighbours)
def test_an_unrelated_neighbour_changes_nothing(one, near, other):
    far = replace(other, similarity=min(other.similarity, NEAR - 1e-9))
    assert certainty(one, [one, *near, far]) == certainty(one, [one, *near])


@given(neighbours, neighbours)
def test_nor_does_one_that_the_verifier_refuses_where_no_answer_is_shared(one, other):
    refused = Neighbour(other.similarity, "something else", min(other.confidence, LEAST_CONFIDENCE - 1e-9))
    assert certainty(one, [one, refused]) == certainty(one, [one])


@given(neighbours, others, neighbours)
def test_a_rival_never_makes_it_surer(one, near, other):
    rival = replace(other, told="something else")
    assert certainty(one, [one, *near, rival]) <= certainty(one, [one, *near])


@given(neighbours, others, st.floats(0, 0.2), st.floats(0, 0.2))
def test_more_likeness_or_confidence_makes_it_no_less_certain(one, near, nearer, surer):
    better = Neighbour(one.similarity + nearer, one.told, min(1.0, one.confidence + surer))
    assert 0 <= certainty(one, [one, *near]) <= certainty(better, [better, *near]) + 1e-12 <= 1 + 1e-12


@given(neighbours, others, neighbours)
def test_one_more_with_the_same_answer_never_makes_it_less_sure(one, near, other):
    assert certainty(one, [one, *near, replace(other, told=one.told)]) >= certainty(one, [one, *near])


def test_neither_nearness_nor_the_verifier_makes_up_for_the_other():
    near_but_doubted, sure_but_far = like(1.0, confidence=0.4), like(NEAR, confidence=1.0)
    assert certainty(near_but_doubted, [near_but_doubted]) < 0.1
    assert certainty(sure_but_far, [sure_but_far]) < 0.1


def test_among_strangers_it_is_as_sure_as_alone():
    one = like(0.95)
    strangers = [like(0.72, told, confidence=0.01) for told in "abcd"]
    assert certainty(one, [one, *strangers]) == certainty(one, [one])


def test_a_rival_as_near_that_the_verifier_likes_makes_it_doubtful_which_is_meant():
    one, rival = like(0.94), like(0.94, "that")
    assert certainty(one, [one, rival]) < certainty(one, [one, like(0.86, "that")]) < certainty(one, [one])


def test_where_all_that_are_near_share_an_answer_it_matters_less_which_is_meant():
    one, group = like(0.88), [like(0.87, confidence=0.1) for _ in range(4)]
    assert certainty(one, [one, *group]) > 0.5 > certainty(one, [one])
    assert certainty(one, [one, *group[1:], like(0.75, "that", 0.1)]) == certainty(one, [one])


def test_the_shipped_weights_have_the_signs_that_the_rule_promises():
    assert all(weight > 0 for weight in (WEIGHTS.slope, WEIGHTS.verifier_slope, WEIGHTS.middle))
    assert all(weight >= 0 for weight in (WEIGHTS.vote, WEIGHTS.rival, WEIGHTS.verifier_vote))
