"""The cache's evaluation: what is asked of which store, what counts as right, and what is read only once."""

import numpy as np
import pytest
from bench.cache_quality.aims import aims
from bench.cache_quality.measures import most_right, served, served_most
from bench.cache_quality.more_sets import SetMissing, clinc
from bench.cache_quality.pairs import Pair
from bench.cache_quality.readings import Readings
from bench.cache_quality.results import Result
from bench.cache_quality.sections import Section, measure, render
from bench.cache_quality.stores import mixed, of_intents, of_pairs, out_of_scope, without_duplicate
from bench.cache_quality.word_swaps import swaps

PAIRS = [Pair("a", "b", True), Pair("b", "c", True), Pair("a", "x", False), Pair("y", "z", False)]


def place(store, question):
    return next(number for number, entry in enumerate(store.stored) if entry.question == question)


def asked(store):
    return [ask.question for ask in store.asked]


def test_in_a_store_of_pairs_every_text_has_its_own_answer_and_duplicates_of_duplicates_are_right():
    store = of_pairs("letters", PAIRS, at_most=10)
    assert sorted(entry.question for entry in store.stored) == list("abcxyz")
    assert len({entry.told for entry in store.stored}) == 6
    assert sorted(asked(store)) == ["b", "c"]
    number = asked(store).index("c")
    assert [text for text in "abxyz" if store.is_right(number, place(store, text))] == ["a", "b"]


def test_what_is_labelled_different_is_told_from_what_nobody_compared():
    store = of_pairs("letters", [*PAIRS, Pair("b", "x", False)], at_most=10)
    number = asked(store).index("b")
    assert [text for text in "xyz" if store.is_labelled_different(number, place(store, text))] == ["x"]


def test_what_has_no_duplicate_has_no_right_answer():
    store = without_duplicate("letters", PAIRS, at_most=10)
    assert sorted(asked(store)) == ["x", "y", "z"]
    assert not any(store.is_right(number, found) for number in range(3) for found in range(len(store.stored)))


@pytest.mark.parametrize(("unique", "answers"), [(True, 3), (False, 2)])
def test_an_intents_texts_share_an_answer_or_have_their_own(unique, answers):
    stored = [("block my card", "block"), ("stop my card", "block"), ("new card", "order")]
    store = of_intents("cards", stored, [("please block it", "block")], at_most=10, unique=unique)
    assert len({entry.told for entry in store.stored}) == answers
    assert [store.is_right(0, found) for found in range(3)] == [True, True, False]
    assert not out_of_scope(store, "cards", ["hello"]).is_right(0, 0)


def test_in_a_mixed_store_an_intent_of_one_set_does_not_answer_that_of_another():
    one, other = (of_intents(name, [(f"{name} text", "pay")], [("asked", "pay")], 1, unique=True) for name in "ab")
    store = mixed("both", [one, other], of_each=1)
    assert [[store.is_right(number, found) for found in range(2)] for number in range(2)] == [
        [True, False],
        [False, True],
    ]


def test_a_mixed_store_may_hold_one_twice_to_ask_of_it_what_nothing_answers():
    store = mixed("both", [of_pairs("a", PAIRS, 10), without_duplicate("b", PAIRS, 10)], of_each=10)
    assert len(store.stored) == 6
    right = {ask.question: sum(store.is_right(i, found) for found in range(6)) for i, ask in enumerate(store.asked)}
    assert right == {"b": 3, "c": 3, "x": 0, "y": 0, "z": 0}


def test_a_swap_keeps_the_words_and_changes_their_order():
    [pair] = swaps(["How do I copy photos from phones?", "Is tea or coffee better for health?"], at_most=5)
    assert pair == Pair("How do I copy photos from phones?", "How do I copy phones from photos?", False)


def test_the_cosine_it_is_compared_with_serves_as_many():
    scores, right = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, True])
    most = served_most(scores, right, hits=2)
    assert (most.right, most.wrong, most.missed) == (1, 1, 2)
    assert served(scores, right, 0.7).hits == 3


def test_a_precision_is_reached_by_no_fewer_than_twenty():
    assert most_right(np.linspace(1, 0, 19), np.ones(19, bool), 0.9) == 0
    assert most_right(np.linspace(1, 0, 40), np.arange(40) < 30, 0.9) == 30


def test_a_set_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SetMissing, match="SETS"):
        clinc(None, "test")
    with pytest.raises(SetMissing, match="clinc150"):
        clinc(tmp_path, "test")


def test_what_a_model_read_is_read_again_only_by_another_model(tmp_path):
    reads = []

    def read(texts):
        reads.append(list(texts))
        return np.ones((len(texts), 2), np.float32)

    for model, texts in [(b"one", ["a", "b", "a"]), (b"one", ["b", "c"]), (b"other", ["a"])]:
        readings = Readings(tmp_path / "readings")
        assert readings.vectors(model, texts, read).shape == (len(texts), 2)
        readings.commit()
    assert reads == [["a", "b"], ["c"], ["a"]]


def test_confidences_are_kept_by_both_questions(tmp_path):
    reads = []

    def read(others):
        reads.append(list(others))
        return [0.25] * len(others)

    readings = Readings(tmp_path / "readings")
    assert readings.confidences(b"model", "asked", ["a", "b"], read) == [0.25, 0.25]
    assert readings.confidences(b"model", "asked", ["b", "c"], read) == [0.25, 0.25]
    assert readings.confidences(b"model", "another", ["b"], read) == [0.25]
    assert reads == [["a", "b"], ["c"], ["b"]]


def result(name, certainties, right, cosines):
    scores, flags = np.array(certainties), np.array(right)
    return Result(name, int(flags.sum()), scores, flags, np.array(cosines), flags, ~flags)


def test_an_aim_is_met_by_what_the_threshold_serves():
    good = result("CLINC150", [0.9] * 60, [True] * 60, [0.9] * 60)
    bad = result("banking77", [0.9] * 60, [True] * 50 + [False] * 10, [0.9] * 60)
    found = {aim.wanted: aim.met for aim in aims({one.name: one for one in (good, bad)}, [good, bad], threshold=0.5)}
    assert found["CLINC150, unique answers: at most 2 % of the hits are wrong"] is True
    assert found["banking77, unique answers: at most 2 % of the hits are wrong"] is False
    assert found["Quora, unique answers: recall of 25 %"] is None


def test_a_set_on_which_one_cosine_is_better_is_named():
    right = [True] * 30 + [False] * 30
    worse = result("letters", [0.4] * 30 + [0.9] * 30, right, [0.9] * 30 + [0.4] * 30)
    [aim] = [aim for aim in aims({}, [worse], threshold=0.5) if "cosine" in aim.wanted]
    assert (aim.met, aim.reached) == (False, "letters: 30 wrong, cosine 0")


def test_a_section_says_which_of_its_sets_are_missing():
    def absent():
        raise SetMissing("no letters: name the folder that holds them (SETS=folder)")

    given = result("numbers", [0.9] * 30, [True] * 30, [0.9] * 30)
    section = Section("Sets", "Some.", {"numbers": lambda: given, "letters": absent})
    results, missing = measure(section)
    lines = render(section, results, missing, threshold=0.5)
    assert results == [given]
    assert any(line.startswith("**letters** was not measured: no letters") for line in lines)
