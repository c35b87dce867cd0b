"""How near, what the verifier says and what else is near, taken together."""

from hypothesis import given
from hypothesis import strategies as st

from weft_cache.certainty import Neighbour, certainty, standing

FAR = 0.3
shares = st.floats(0, 1)
neighbours = st.builds(Neighbour, similarity=shares, told=st.sampled_from("abc"), confidence=shares)


def like(similarity, told="this", confidence=0.9):
    return Neighbour(similarity, told, confidence)


def test_nothing_outvotes_a_verifier_that_says_no():
    refused = like(1.0, confidence=0.1)
    assert certainty(refused, [refused, *(like(0.99) for _ in range(4))]) == 0


def test_an_answer_must_lead_the_others():
    first, second = like(0.9), like(0.89, "that")
    clear = like(FAR, "that")
    assert certainty(first, [first, second]) < certainty(first, [first, clear])


def test_of_two_as_near_the_one_that_the_verifier_prefers_leads():
    first, second = like(0.9, "this", 0.95), like(0.9, "that", 0.3)
    assert certainty(first, [first, second]) > 0.5 > certainty(second, [first, second])


def test_a_lead_counts_for_more_where_no_two_were_answered_alike():
    first, rivals = like(0.9), [like(0.75, told, 0.3) for told in ("a", "b")]
    apart, shared = [first, *rivals], [first, *rivals, like(0.7, "a", 0.3)]
    assert certainty(first, apart) > certainty(first, shared)


def test_it_does_not_matter_which_is_meant_where_all_were_answered_alike():
    group = [like(0.9), like(0.9), like(0.89)]
    assert certainty(group[0], group) > certainty(group[0], group[:1])


def test_a_second_with_the_same_answer_tells_nothing():
    first = like(0.9)
    assert standing(first, [first, like(0.89)]) == standing(first, [first])


@given(neighbours, st.lists(neighbours, max_size=4), st.floats(0, 0.2), st.floats(0, 0.2))
def test_more_likeness_or_confidence_makes_it_no_less_certain(one, others, nearer, surer):
    better = Neighbour(one.similarity + nearer, one.told, min(1.0, one.confidence + surer))
    assert 0 <= certainty(one, [one, *others]) <= certainty(better, [better, *others]) + 1e-12 <= 1 + 1e-12
