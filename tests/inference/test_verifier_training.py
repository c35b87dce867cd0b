"""The texts that the verifier is trained on: edits that change what may be answered, and edits that do not."""

import json
import random

import pytest
from bench.cache_quality.more_sets import SetMissing
from bench.cache_quality.pairs import Pair
from bench.cache_quality.training import edits, sets, templates

RNG_SEEDS = range(20)


def made(edit, text):
    """Everything that an edit makes of a text, whatever it draws."""
    return {edit(text, random.Random(seed)) for seed in RNG_SEEDS} - {None}


@pytest.mark.parametrize(
    ("edit", "text", "expected"),
    [
        (edits.other_word, "Which mushrooms are edible?", "Which mushrooms are inedible?"),
        (edits.affirmed, "Why can't I log in?", "Why can I log in?"),
        (edits.affirmed, "It won't open", "It will open"),
        (edits.swapped, "Can the dog chase the cat?", "Can the cat chase the dog?"),
        (edits.swapped_roles, "Fly from Paris to Rome", "Fly from Rome to Paris"),
        (edits.swapped_roles, "convert a list to a tuple", "convert a tuple to a list"),
        (edits.swapped_owners, "Where is my card?", "Where is your card?"),
        (edits.swapped_persons, "can you call me", "can I call you"),
        (edits.swapped_sides, "Do I need salt and pepper?", "Do I need pepper and salt?"),
        (edits.moved, "If it rains, where do we go?", "Where do we go if it rains?"),
        (edits.synonym, "Where do I purchase it?", "Where do I buy it?"),
        (edits.reopened, "how to bake bread", "how do i bake bread"),
    ],
)
def test_an_edit_makes_what_its_name_says(edit, text, expected):
    assert expected in made(edit, text)


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (edits.negated, "Is it true?"),  # asks the same when negated
        (edits.affirmed, "Isn't it true?"),
        (edits.swapped, "What is the difference between a cat and a dog?"),
        (edits.swapped_roles, "Is it better to walk or to run from A to B?"),
        (edits.swapped_persons, "How do I renew a passport?"),  # anyone's
        (edits.other_number, "How many?"),
    ],
)
def test_an_edit_leaves_alone_what_it_would_not_change(edit, text):
    assert not made(edit, text)


def test_every_edit_changes_the_text_or_makes_nothing():
    text = "How do I not move my 2 cats from the old house to the new one when it rains and snows?"
    for edit in (edits.other_word, edits.other_number, edits.negated, edits.affirmed, edits.swapped, edits.polite):
        assert text not in made(edit, text)


def test_templates_label_one_request_the_same_and_another_different():
    subjects = ["horse", "violin"]
    stream = templates.requests(subjects, random.Random(1))
    pairs = [next(stream) for _ in range(400)]
    assert {pair.same for pair in pairs} == {True, False}
    for pair in pairs:
        held = [{subject for subject in subjects if subject in text} for text in (pair.first, pair.second)]
        assert pair.first != pair.second
        assert not pair.same or held[0] == held[1]


def test_templates_of_operators_are_the_same_only_with_one_operator_and_language():
    stream = templates.operators(random.Random(1))
    for pair in (next(stream) for _ in range(400)):
        assert pair.first != pair.second
        first, second = (set(text.rstrip("?").split()) for text in (pair.first, pair.second))
        assert not pair.same or first & second


@pytest.fixture
def folder(tmp_path):
    """The other sets in small, as their publishers lay them out."""
    files = {
        "msr/msr-para-train.tsv": "Quality\ta\tb\tc\td\n1\t1\t2\tProfits rose.\tProfits went up.\n",
        "msr/msr-para-val.tsv": "Quality\ta\tb\tc\td\n",
        "msr/msr-para-test.tsv": "Quality\ta\tb\tc\td\n0\t3\t4\tA man is eating.\tHe left.\n",
        "stsb/en-train.csv": "A man is eating!,A man eats.,4.8\nTwo dogs run.,A cat sits.,0.5\nRain.,Snow.,4.0\n",
        "stsb/en-dev.csv": "",
        "stsb/en-test.csv": "",
        "clinc150/data_full.json": json.dumps({"train": [], "oos_train": [["how is glue made", "oos"]]}),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def test_statements_leave_out_what_is_doubtful_and_what_others_are_measured_on(folder):
    assert sets.statements(folder) == [
        Pair("Profits rose.", "Profits went up.", same=True),
        Pair("Two dogs run.", "A cat sits.", same=False),
    ]


def test_statements_leave_out_what_others_are_measured_on_however_it_was_scored(folder):
    (folder / "stsb" / "en-test.csv").write_text("Profits rose.,Profits went up.,4.0\n", "utf-8")
    assert sets.statements(folder) == [Pair("Two dogs run.", "A cat sits.", same=False)]


def test_what_is_missing_is_named(folder):
    (folder / "stsb" / "en-dev.csv").unlink()
    with pytest.raises(SetMissing, match=r"stsb/en-dev\.csv"):
        sets.statements(folder)
