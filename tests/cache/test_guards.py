"""Each guard: what it tells apart, and what it leaves to the verifier."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft_cache.guards import GUARDS, objection
from weft_cache.guards.order import roles_differ
from weft_cache.guards.words import Question, stem

DIFFERENT = {
    "numbers": [
        ("How do I lose 10 kilos?", "How do I lose 30 kilos?"),
        ("Who won the World Cup in 2014?", "Who won the World Cup in 2018?"),
        ("What is 15% of 80?", "What is 20% of 80?"),
        ("Book a table for two at 7:30", "Book a table for two at 8:30"),
        ("What happened on 2024-05-01?", "What happened on 2024-05-02?"),
        ("Is three days enough for Rome?", "Is five days enough for Rome?"),
    ],
    "codes": [
        ("Where is order AB-1234?", "Where is order AB-1243?"),
        ("What does error E404 mean?", "What does error E500 mean?"),
        ("Is example.com down?", "Is example.org down?"),
        ("Mail the invoice to ann@a.io", "Mail the invoice to bob@a.io"),
        ("What does max_tokens do?", "What does top_k_tokens do?"),
        ("Should I learn C++?", "Should I learn C#?"),
    ],
    "quotes": [('Translate "good morning" into French', 'Translate "good night" into French')],
    "names": [
        ("What is the capital of France?", "What is the capital of Spain?"),
        ("How old is Serena Williams?", "How old is Roger Federer?"),
        ("Is Berlin bigger than Hamburg?", "Is Berlin bigger than Munich?"),
    ],
    "negation": [
        ("Why do cats purr?", "Why don't cats purr?"),
        ("Which foods can dogs eat?", "Which foods can dogs not eat?"),
        ("What should I do at an interview?", "What should I never do at an interview?"),
    ],
    "spelling": [
        ("How long should a resume be?", "How long should a résumé be?"),
        ("What is the minimum wage in the US?", "Can you tell us what the minimum wage is?"),
        ("Is WHO funding cut?", "who is funding it?"),
    ],
    "opposites": [
        ("How do I turn on dark mode?", "How do I turn off dark mode?"),
        ("How do I buy shares?", "How do I sell shares?"),
        ("Which plan is cheapest?", "Which plan is the most expensive?"),
        ("How far is it in kilometres?", "How far is it in miles?"),
        ("Are you open on Monday?", "Are you open on Tuesday?"),
        ("How do I enable notifications?", "How do I disable notifications?"),
        ("What is the highest mountain?", "What is the lowest mountain?"),
    ],
    "roles": [
        ("Flights from new york to florida", "Flights from florida to new york"),
        ("Can a bad person become good?", "Can a good person become bad?"),
        ("Do dogs chase cats?", "Do cats chase dogs?"),
        ("Is tea healthier than coffee?", "Is coffee healthier than tea?"),
    ],
}
SAME = [
    ("What is the capital of France?", "what's the capital city of france"),
    ("How many is 1,000 times 2?", "How many is 1k times two?"),
    ("Who is Donald Trump?", "Who is Trump?"),
    ("Is it going to rain?", "Isn't it going to rain?"),
    ("What is the difference between Java and Python?", "What is the difference between Python and Java?"),
    ("In Python, how do I sort a list?", "How do I sort a list in Python?"),
    ("Which phone is best in India?", "Which is the best Indian phone?"),
    ("How do I turn the light on and off?", "How do I turn the light off and on?"),
    ("Can't I pay by card?", "Can I not pay by card?"),
    ("Where is order AB-1234?", "where's my order ab-1234"),
]


@pytest.mark.parametrize(
    ("name", "asked", "stored"), [(name, *pair) for name, pairs in DIFFERENT.items() for pair in pairs]
)
def test_each_guard_objects_to_what_it_is_named_for_whichever_was_first(name, asked, stored):
    assert GUARDS[name](Question.read(asked), Question.read(stored))
    assert GUARDS[name](Question.read(stored), Question.read(asked))
    assert objection(asked, stored)


@pytest.mark.parametrize(("asked", "stored"), SAME)
def test_no_guard_objects_to_the_same_in_other_words(asked, stored):
    assert objection(asked, stored) is None
    assert objection(stored, asked) is None


@given(st.text(max_size=300))
def test_no_guard_objects_to_a_text_beside_itself(text):
    assert objection(text, text) is None


@given(st.text(max_size=120), st.text(max_size=120))
def test_guards_take_any_text_and_do_not_mind_the_order(one, other):
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
def test_only_a_moved_part_leaves_the_roles_as_they_were(order):
    words = [f"{letter}thing" for letter in "abcde"]
    moved = [f"{letter}thing" for letter in order]
    exchanges = [
        words[:start] + words[cut:end] + words[start:cut] + words[end:]
        for end in range(6)
        for cut in range(end + 1)
        for start in range(cut + 1)
    ]
    assert roles_differ(Question.read(" ".join(words)), Question.read(" ".join(moved))) == (moved not in exchanges)
