"""The verifier: what it takes for the same question or statement, and that nothing but the two texts counts."""

import pytest
from tests.inference.calling import calling, on_a_free_port

from weft_inference.encoders.minilm import bundled_model
from weft_inference.encoders.minilm_graph import Precision
from weft_inference.encoders.verifier import SHIPPED, PairReader
from weft_kit.rpc.errors import WeftError

ASKED = "How do I reset my password?"
PARAPHRASE = "What are the steps to reset a password?"
OTHERS = ["How do I change my user name?", "Flights from Paris to Rome", "How do I delete my account?"]
LONG = "word " * 300
SAME = [
    ("How can I get rid of ants?", "What is the best way to get rid of ants?"),
    ("The committee approved the plan on Monday.", "On Monday, the plan was approved by the committee."),
    ("turn the heating off please", "please switch off the heating"),
    ("A child is drawing a tree.", "A kid is drawing a tree."),
]
DIFFERENT = {
    "opposite": ("How do I enable two-factor login?", "How do I disable two-factor login?"),
    "direction": ("convert miles to kilometres", "convert kilometres to miles"),
    "statement": ("The bank raised its interest rate on Friday.", "The bank lowered its interest rate on Friday."),
    "negation": ("A child is drawing a tree.", "There is no child drawing a tree."),
    "roles": ("The hunter is following the bear.", "The bear is following the hunter."),
    "another wish": ("Draw a picture of a lighthouse", "Tell me a joke about a lighthouse"),
    "another thing": ("How do I prune a rose?", "How do I prune an apple tree?"),
    "owner": ("Can I see your calendar?", "Can I see my calendar?"),
    "operator": ("What does && do in C?", "What does || do in C?"),
    "neighbour": ("my card was declined at the shop", "how do i order a new card"),
    "stranger": ("What are your opening hours on Sunday?", "How do I train for a marathon?"),
}


@pytest.fixture(scope="module")
def exact() -> PairReader:
    return PairReader.load(bundled_model(), SHIPPED, Precision.FP32, threads=1)


@pytest.fixture(scope="module")
def fast() -> PairReader:
    return PairReader.load(bundled_model(), SHIPPED, Precision.INT8, threads=1)


def confidences(reader: PairReader, question: str, *others: str) -> list[float]:
    return reader.run([row for row, _ in reader.rows(question, others)])


def test_a_paraphrase_is_surer_than_any_other_question(exact):
    paraphrase, *others = confidences(exact, ASKED, PARAPHRASE, *OTHERS)
    assert paraphrase > 0.8
    assert max(others) < 0.5


@pytest.mark.parametrize("kind", DIFFERENT)
def test_what_differs_in_meaning_is_less_sure_than_every_paraphrase(fast, kind):
    [confidence] = confidences(fast, *DIFFERENT[kind])
    assert confidence < min(confidences(fast, *pair)[0] for pair in SAME)


def test_confidences_are_those_of_the_reference_implementation(exact):
    # Computed from the same weights by bench/cache_quality/training/model.py on torch, in float32.
    assert confidences(exact, ASKED, PARAPHRASE, OTHERS[0]) == pytest.approx([0.85752, 0.02674], abs=1e-3)


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_a_confidence_does_not_depend_on_company(precision, request):
    reader = request.getfixturevalue(precision)
    together = confidences(reader, ASKED, PARAPHRASE, *OTHERS)
    assert together == [confidences(reader, ASKED, other)[0] for other in (PARAPHRASE, *OTHERS)]


def test_int8_stays_near_the_exact_confidences(exact, fast):
    differences = zip(confidences(exact, ASKED, *OTHERS), confidences(fast, ASKED, *OTHERS), strict=True)
    assert max(abs(one - other) for one, other in differences) < 0.15


async def test_comparisons_come_in_order_and_say_what_was_not_read_to_its_end():
    async with calling(on_a_free_port(engine="echo")) as client:
        answer = await client.compare(ASKED, OTHERS[1], PARAPHRASE, LONG)
        assert [one.truncated for one in answer.comparisons] == [False, False, True]
        assert answer.comparisons[0].confidence < answer.comparisons[1].confidence
        assert answer.verifier == (await client.engine()).verifier


async def test_a_comparison_with_nothing_names_the_field():
    async with calling(on_a_free_port(engine="echo")) as client:
        for question, others, field in (("", [ASKED], "question"), (ASKED, [], "others"), (ASKED, [""], "others[0]")):
            with pytest.raises(WeftError) as refused:
                await client.compare(question, *others)
            assert set(refused.value.violations) == {field}
