"""Pairs made from templates: the same request in other words, and another request about the same subject."""

import random
from collections.abc import Iterator, Sequence
from typing import Final

from bench.cache_quality.pairs import Pair

_REQUESTS: Final = (
    ("tell me a joke about {}", "say something funny about {}", "do you know a joke about {}", "joke about {} please"),
    ("show me a picture of {}", "i want to see a photo of {}", "find an image of {}", "draw a picture of {}"),
    ("write a poem about {}", "compose a poem on {}", "make up a poem about {}"),
    ("write a story about {}", "tell me a story about {}", "make up a tale about {}"),
    ("play a song about {}", "put on some music about {}"),
    ("what is the price of {}", "how much does {} cost", "price of {}", "what do i pay for {}"),
    ("what is the history of {}", "how did {} begin", "give me the history of {}", "tell me how {} came about"),
    ("where can i buy {}", "which shop sells {}", "where do they sell {}"),
    ("how can i sell {}", "where do i sell my {}", "i want to sell {}"),
    ("what is {}", "define {}", "what does {} mean", "explain what {} is"),
    ("how do you spell {}", "spelling of {}", "how is {} spelled"),
    ("who invented {}", "who was the inventor of {}", "who came up with {}"),
    ("translate {} into french", "how do you say {} in french", "what is {} in french"),
    ("translate {} into spanish", "how do you say {} in spanish", "what is {} in spanish"),
    ("what are the benefits of {}", "what is good about {}", "advantages of {}"),
    ("what are the dangers of {}", "what is bad about {}", "disadvantages of {}", "risks of {}"),
    ("how is {} made", "how do they make {}", "how to make {}"),
    ("what is the latest news about {}", "any news about {}", "news on {}"),
    ("give me some examples of {}", "what are examples of {}", "list a few kinds of {}"),
    ("set a reminder about {}", "remind me of {}", "make a reminder for {}"),
    ("delete the reminder about {}", "cancel my reminder for {}", "remove the reminder on {}"),
    ("who wrote the book about {}", "author of the book on {}"),
    ("recommend a film about {}", "what is a good movie on {}", "suggest a movie about {}"),
    ("summarise the article about {}", "give me a summary of the article on {}"),
    ("how long does {} take", "how much time is needed for {}", "duration of {}"),
    ("how often does {} happen", "what is the frequency of {}"),
)
_QUESTIONS: Final = (
    "what does {} do in {}", "meaning of {} in {}", "explain the {} operator in {}", "how does {} work in {}",
    "what is the use of {} in {}", "when do i use {} in {}?", "What is the {} operator in {}?",
)  # fmt: skip
_OPERATORS: Final = tuple(
    group.split()
    for group in (
        "== === != !== =", "< <= > >=", "+ += ++", "- -= --", "* ** *=", "/ // %", "& &&", "| ||", "& |", "&& || !",
        ". -> ::", "? ?. ??", "<< >> >>>", "and or not", "is == in", "() [] {}", "# //", "^ ** ~", ":= =", "@ $",
    )
)  # fmt: skip
_LANGUAGES: Final = (
    "JavaScript", "Python", "C++", "C", "Java", "Rust", "Go", "PHP", "Ruby", "C#", "Swift", "TypeScript", "Kotlin",
    "Bash", "SQL",
)  # fmt: skip


def requests(subjects: Sequence[str], rng: random.Random) -> Iterator[Pair]:
    """Yields pairs such as a joke about a horse with the same wish in other words, a picture of it, another's joke."""
    while True:
        subject, kind = rng.choice(subjects), rng.choice(_REQUESTS)
        first = rng.choice(kind).format(subject)
        turn = rng.random()
        if turn < 0.45:
            yield Pair(first, rng.choice([one for one in kind if one.format(subject) != first]).format(subject), True)
        elif turn < 0.8:
            other = rng.choice([one for one in _REQUESTS if one is not kind])
            yield Pair(first, rng.choice(other).format(subject), False)
        else:
            other_subject = rng.choice(subjects)
            if other_subject != subject:
                yield Pair(first, rng.choice(kind).format(other_subject), False)


def operators(rng: random.Random) -> Iterator[Pair]:
    """Yields an operator of a programming language with itself in other words, another one, and another language."""
    while True:
        group, language = rng.choice(_OPERATORS), rng.choice(_LANGUAGES)
        operator, (form, other_form) = rng.choice(group), rng.sample(_QUESTIONS, 2)
        first = form.format(operator, language)
        turn = rng.random()
        if turn < 0.4:
            yield Pair(first, other_form.format(operator, language), True)
        elif turn < 0.85:
            other = rng.choice([one for one in group if one != operator])
            yield Pair(first, rng.choice([form, other_form]).format(other, language), False)
        else:
            elsewhere = rng.choice([one for one in _LANGUAGES if one != language])
            yield Pair(first, rng.choice([form, other_form]).format(operator, elsewhere), False)
