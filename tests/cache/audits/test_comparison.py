"""When two answers say the same."""

import math
from array import array

import pytest

from weft_cache.audits.comparison import (
    HEAD_CHARACTERS,
    Verdict,
    at_sight,
    by_meaning,
    head,
)
from weft_cache.records import Vector

SAME, DIFFERENT, NOT_COMPARED = Verdict.SAME, Verdict.DIFFERENT, Verdict.NOT_COMPARED
LONG = "The lighthouse was built of granite, and its keepers lived there all year round. " * 5


@pytest.mark.parametrize(
    ("served", "fresh", "verdict"),
    [
        ("Paris.", "paris", SAME),
        ("Paris.", "The capital of France is Paris.", SAME),
        ("It takes  3 days.", "It takes 3 days", SAME),
        ("It takes 3 days.", "It takes 5 days.", DIFFERENT),
        ("It opens at 9 am.", "It opens at 10 am.", DIFFERENT),
        ("It opens at 9 am.", "It opens at 09:00.", NOT_COMPARED),
        ("The capital of France is Paris.", "The capital of Spain is Madrid.", DIFFERENT),
        ("You can turn it off.", "You cannot turn it off.", DIFFERENT),
        ("Restart the router.", "Switch the device off and on again.", NOT_COMPARED),
        (LONG + "It has 12 rooms.", LONG + "Of its 9 rooms", NOT_COMPARED),
        (LONG, LONG.upper(), SAME),
    ],
)
def test_what_words_alone_tell(served, fresh, verdict):
    assert at_sight(served, fresh) is verdict
    assert at_sight(fresh, served) is verdict


def vector(*components, embedder="unit-2"):
    length = math.hypot(*components)
    return Vector(embedder, array("f", [one / length for one in components]).tobytes())


def test_their_meaning_decides_where_words_do_not():
    assert by_meaning(vector(1, 0), vector(1, 0.5), least=0.8) is SAME
    assert by_meaning(vector(1, 0), vector(1, 1), least=0.8) is DIFFERENT


def test_without_two_vectors_of_one_embedder_nothing_is_said():
    assert by_meaning(None, vector(1, 0), least=0.8) is NOT_COMPARED
    assert by_meaning(vector(1, 0), vector(1, 0, embedder="another"), least=0.8) is NOT_COMPARED


def test_of_long_answers_the_beginning_is_compared():
    assert len(head(" " + LONG * 10)) == HEAD_CHARACTERS
    assert head("  Paris.\n") == "Paris."
