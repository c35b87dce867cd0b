"""What comparing two questions costs grows with their length: the worst inputs known of every guard and normaliser."""

import pytest
from tests.support.cost import assert_linear

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft_cache.audits import comparison
from weft_cache.guards import GUARDS
from weft_cache.guards.numbers import numbers_differ
from weft_cache.guards.words import Question
from weft_cache.partition import address, question_text

ATOMS = [
    "a1-", "1-", "a-", "a_", "_", "a.", "1.", "1,", "1:", "a@", "a@b.", "a+", "a'", "n't ", '"', '"a', "www.", "http://",
    "not ", "i ", "V ", "5 kg ", "one hundred and ", "twenty-", "1/2 ", "5:30 ", "may 5 ", "half past ", "than b ",
    "my ", "\U0001f1eb\U0001f1f7", "x-y ", "ww2 ", "`a", "[a-", "\\d", "less ", "free of ", "stop ", "== ", "a or ",
    "1-a", "#", "a#", "-", ".", " ", "A", "Ab ", "no ", "to a ", "1.1s ", "k", "12 ", "e\u0301", "字", "\ufdfa",
]  # fmt: skip


def different_words(size: int) -> str:
    return " ".join(f"W{at:x}q to v{at:x}" for at in range(size // 12))


def differ(text: str, other: str) -> None:
    one, two = Question.read(text), Question.read(other)
    for differs in GUARDS.values():
        differs(one, two)


@pytest.mark.parametrize("atom", ATOMS)
def test_every_guard_is_linear(atom):
    assert_linear(lambda text: differ(text, f"why 1 {text}"), lambda size: atom * (size // len(atom)), 4_000)


def test_every_guard_is_linear_in_different_words():
    assert_linear(lambda text: differ(text, text.replace("q", "z")), different_words, 2_000)


@pytest.mark.parametrize("atom", ATOMS)
def test_reading_and_comparing_is_linear(atom):
    def compare(text: str) -> None:
        comparison.at_sight(comparison.head(text), text)
        request = job_pb2.GenerationRequest(messages=[chat_pb2.Message(role=chat_pb2.ROLE_USER)])
        request.messages[0].parts.add(text=text)
        request.sampling.stop.extend(text.split("a"))
        question_text(request)
        address("acme", request, 1)

    assert_linear(compare, lambda size: atom * (size // len(atom)), 8_000)


def test_numbers_of_any_length_are_compared():
    longer = Question.read("9" * 400 + "bn")
    assert not numbers_differ(longer, Question.read("9" * 400 + "bn"))
    assert numbers_differ(longer, Question.read("9" * 401 + "bn"))
