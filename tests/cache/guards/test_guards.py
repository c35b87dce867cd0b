"""Each guard: what it tells apart, and what it leaves to the verifier."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.cache.guards.guard_pairs import DIFFERENT, SAME

from weft_cache.guards import GUARDS, objection
from weft_cache.guards.forms import stem, wordnet_lines
from weft_cache.guards.lexicon import are_siblings, base, opposites
from weft_cache.guards.moments import moments
from weft_cache.guards.number_reading import numbers
from weft_cache.guards.order import roles_differ
from weft_cache.guards.words import Question

EACH = {
    "shares": ("Do all of the rooms have a balcony?", "Do any of the rooms have a balcony?"),
    "numbers": ("Who won the World Cup in 2014?", "Who won the World Cup in 2018?"),
    "moments": ("Wake me at 7:30", "Wake me at 8:30"),
    "codes": ("Where is order AB-1234?", "Where is order AB-1243?"),
    "quotes": ('Translate "good morning" into French', 'Translate "good night" into French'),
    "symbols": ("What does == do?", "What does === do?"),
    "names": ("How old is Serena Williams?", "How old is Roger Federer?"),
    "negation": ("Why do cats purr?", "Why don't cats purr?"),
    "opposites": ("How do I buy shares?", "How do I sell shares?"),
    "kinds": ("Are you open on Monday?", "Are you open on Tuesday?"),
    "roles": ("Do dogs chase cats?", "Do cats chase dogs?"),
    "persons": ("Can I see your calendar?", "Can you see my calendar?"),
    "spelling": ("How long should a resume be?", "How long should a résumé be?"),
    "asked": ("When did Rome fall?", "Why did Rome fall?"),
}
PAIRS = [pair for pairs in (*DIFFERENT.values(), *SAME.values()) for pair in pairs]
TEXTS = sorted({text for pair in PAIRS for text in pair})


@pytest.mark.parametrize("name", GUARDS)
def test_each_guard_objects_to_what_it_is_named_for_whichever_was_first(name):
    asked, stored = map(Question.read, EACH[name])
    assert GUARDS[name](asked, stored)
    assert GUARDS[name](stored, asked)


@pytest.mark.parametrize(("asked", "stored"), [pair for pairs in DIFFERENT.values() for pair in pairs])
def test_some_guard_tells_different_questions_apart(asked, stored):
    assert objection(asked, stored)


@pytest.mark.parametrize(("asked", "stored"), [pair for pairs in SAME.values() for pair in pairs])
def test_no_guard_objects_to_the_same_in_other_words(asked, stored):
    assert objection(asked, stored) is None


@given(st.sampled_from(sorted(GUARDS)), st.sampled_from(PAIRS))
def test_every_guard_is_symmetric(name, pair):
    asked, stored = map(Question.read, pair)
    assert GUARDS[name](asked, stored) == GUARDS[name](stored, asked)


@given(st.sampled_from(TEXTS), st.sampled_from(["", " ", ".", "?", " ?", "!", "  "]))
@example("What is (2 + 3) * 4?", "")  # the same parentheses around the same
def test_no_guard_minds_spacing_or_the_mark_at_the_end(text, end):
    assert objection(text, "  " + text.rstrip("?.!").replace(" ", "  ") + end) is None


# Code, and pairs that case alone tells apart: 5 Mb are not 5 MB.
_WRITTEN_AS_MEANT = {
    text for pairs in DIFFERENT.values() for pair in pairs if len({text.lower() for text in pair}) == 1 for text in pair
} | {text for text in TEXTS if "`" in text}
_RECASED = [text for text in TEXTS if text not in _WRITTEN_AS_MEANT]


@given(st.sampled_from(_RECASED), st.sampled_from([str.lower, str.upper, str.title]))
@example("Is 0.5 the same as 1/2?", str.title)  # figures have no capitals that it could lack
def test_no_guard_minds_the_case_but_in_code_and_units(text, recase):
    assert objection(text, recase(text)) is None


@given(st.text(max_size=300))
def test_no_guard_objects_to_a_text_beside_itself(text):
    assert objection(text, text) is None


_LISTED = (
    "who when why how is are not no the a i you my your 5 7 kg pm % == -> A B C II five first may 1/2 $5 to from by "
    "than without stop Paris Rome dog cat hot cold edible inedible , . ? - & 🇫🇷"
)
_WORDS = st.sampled_from(_LISTED.split())


@given(st.lists(_WORDS, max_size=14).map(" ".join), st.lists(_WORDS, max_size=14).map(" ".join))
def test_guards_take_any_text_and_do_not_mind_the_order(one, other):
    for name, differs in GUARDS.items():
        asked, stored = Question.read(one), Question.read(other)
        assert differs(asked, stored) == differs(stored, asked), name
        assert not differs(asked, Question.read(one)), name


@given(st.text(max_size=120), st.text(max_size=120))
def test_characters_of_all_scripts_are_compared_either_way(one, other):
    assert (objection(one, other) is None) == (objection(other, one) is None)


@pytest.mark.parametrize(
    ("one", "other"), [("studies", "study"), ("making", "make"), ("walked", "walk"), ("classes", "class")]
)
def test_forms_of_a_word_have_one_stem(one, other):
    assert stem(one) == stem(other)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_reads_long_texts_at_once(guard):
    """They run on the event loop: what takes one text long to compare holds up every other lookup."""
    words = [f"matter{chr(97 + number % 26)}{chr(97 + number // 26)}" for number in range(600)]
    swapped = [*words[:100], words[500], *words[101:500], words[100], *words[501:]]
    one, other = (Question.read(" ".join(order)) for order in (words, swapped))
    GUARDS[guard](one, other)


@given(st.permutations("abcde"))
def test_only_two_parts_exchanged_around_a_third_change_the_roles(order):
    words = [f"{letter}thing" for letter in "abcde"]
    moved = [f"{letter}thing" for letter in order]
    exchanged = [
        words[:start] + words[third:end] + words[second:third] + words[start:second] + words[end:]
        for end in range(6)
        for third in range(end)
        for second in range(third)
        for start in range(second)
    ]
    assert roles_differ(Question.read(" ".join(words)), Question.read(" ".join(moved))) == (moved in exchanged)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("twenty-five and one hundred and five", [25, 105]),
        ("two hundred thousand", [200_000]),
        ("half a dozen", [6]),
        ("1,00,000 and 4.1bn", [100_000, 4.1e9]),
        ("Henry VIII and chapter iv", [8, 4]),
        ("minus five and -7 and 3-5", [-5, -7, 3, 5]),
        ("2016-17", [2016, 2017]),
        ("a third of it, three quarters of that", [1 / 3, 0.75]),
        ("E404, AB-1234, 2pac, covid-19", []),
        ("Which one do I need, and which can I have?", []),
    ],
)
def test_numbers_are_read_however_they_are_written(text, values):
    assert [amount.raw for amount in Question.read(text).once(numbers).amounts] == pytest.approx(values)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("5 pm", 1020), ("17:00", 1020), ("noon", 720), ("midnight", 0), ("7 o'clock in the evening", 1140),
     ("quarter to six at night", 1065), ("12 a.m.", 0), ("05:30", 330)],
)  # fmt: skip
def test_times_are_read_however_they_are_written(text, minutes):
    assert Question.read(text).once(moments).clocks == {minutes}


def test_the_lists_from_wordnet_lie_beside_its_licence():
    assert any("Princeton University" in line for line in wordnet_lines("LICENSE"))
    assert all(len(set(line.split())) == 2 for line in wordnet_lines("antonyms.txt"))


@pytest.mark.parametrize("word", ["nearest", "bigger", "wrote", "studies", "women", "deactivated", "carrots"])
def test_listed_words_are_known_in_every_form(word):
    assert base(word) in {"near", "big", "write", "study", "woman", "deactivate", "carrot"}


@pytest.mark.parametrize(
    ("one", "other"),
    [("edible", "inedible"), ("include", "exclude"), ("harmful", "harmless"), ("upvote", "downvote"), ("buy", "sell")],
)
def test_opposites_exclude_each_other(one, other):
    assert other in opposites(one)
    assert one in opposites(other)


@pytest.mark.parametrize(
    ("one", "other", "exclude"),
    [("dog", "cat", True), ("dog", "puppy", False), ("car", "automobile", False), ("car", "cat", False),
     ("july", "august", True), ("texas", "ohio", True), ("texas", "france", False)],
)  # fmt: skip
def test_siblings_are_of_one_family_and_neither_is_a_kind_of_the_other(one, other, exclude):
    assert are_siblings(one, other) == are_siblings(other, one) == exclude


def test_figures_that_python_would_not_convert_are_compared():
    longest = "7" * 5_000
    assert objection(f"Is {longest}/3 a whole number?", f"Is {longest}/4 a whole number?") == "numbers"


def test_marks_that_nobody_sees_change_nothing():
    question = "How do I encrypt a file?"
    for mark in "\u00ad\u200b\u2060\ufeff\u202e\u0336":
        assert Question.read(mark.join(question)).words == Question.read(question).words
