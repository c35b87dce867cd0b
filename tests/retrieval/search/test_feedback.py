"""Pseudo-relevance feedback: what a second pass of both legs finds, where it may look, and when it does not happen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

import numpy as np
import psycopg
import pytest
from prometheus_client import REGISTRY
from tests.retrieval.conftest import Client, ClientOf, Running

from weft.common.v1 import filter_pb2
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft_kit.rpc.context import CallContext, bound
from weft_retrieval.search.feedback import (
    Feedback,
    FeedbackOptions,
    FirstPass,
    expanded,
    moved,
)

# No machine is too slow for it, and the best two are enough.
PATIENT = {"feedback_budget_s": 600, "feedback_chunks": 2}
# Both about gulls say "herring" too, which the third says without them.
BIRDS = {
    "one": "The gull eats herring.",
    "two": "A gull hunts herring.",
    "three": "Herring swims.",
    "four": "Bread rises.",
}


@pytest.fixture
async def client_of(running: Running, postgres_url: str) -> AsyncIterator[ClientOf]:
    async with running(postgres_url, **PATIENT) as client_of:
        yield client_of


async def filled(client: Client, texts: dict[str, str], collection: str = "docs") -> Client:
    await client.create(collection)
    for name, text in texts.items():
        await client.ingest(text, name, collection, metadata={"shelf": name})
    return client


def by_words(answer: pb.SearchResponse) -> list[str]:
    """The documents that the keyword leg found, best first."""
    found = sorted((hit for hit in answer.hits if hit.HasField("keyword")), key=lambda hit: hit.keyword.rank)
    return [hit.document_id for hit in found]


def by_vectors(answer: pb.SearchResponse) -> list[str]:
    return [hit.document_id for hit in sorted(answer.hits, key=lambda hit: hit.dense.rank)]


def not_on(shelf: str) -> filter_pb2.Filter:
    """All documents but one."""
    condition = filter_pb2.Condition(
        field="metadata.shelf",
        operator=filter_pb2.Condition.OPERATOR_NOT_EQUAL,
        values=[filter_pb2.Value(text=shelf)],
    )
    return filter_pb2.Filter(condition=condition)


async def test_a_chunk_without_a_word_of_the_question_is_found_by_what_the_best_ones_share(client):
    await filled(client, BIRDS)
    assert set(by_words(await client.search("gull", feedback=False))) == {"one", "two"}
    answer = await client.search("gull", feedback=True)
    assert by_words(answer)[2:] == ["three"]


async def test_a_word_of_one_chunk_alone_is_not_believed(client):
    await filled(client, {**BIRDS, "five": "Whoever eats, hunts."})
    assert "five" not in by_words(await client.search("gull", feedback=True))


async def test_the_question_counts_more_than_what_is_learnt(client):
    await filled(client, {**BIRDS, "five": "Herring, herring, herring."})
    assert set(by_words(await client.search("gull", feedback=True))[:2]) == {"one", "two"}


async def test_the_scores_of_the_keyword_leg_stay_of_a_size(client):
    await filled(client, BIRDS)
    [without, with_feedback] = [(await client.search("gull", feedback=wanted)).hits[0] for wanted in (False, True)]
    assert with_feedback.keyword.score == pytest.approx(without.keyword.score, rel=0.25)


async def test_a_window_near_to_the_nearest_ones_comes_before_a_stranger(running, postgres_url):
    texts = {
        "one": "ketch tide harbour rope",
        "two": "ketch tide harbour sail",
        "kin": "tide harbour rope sail mast",
        "stranger": "ketch violin concert stage orchestra baton overture applause",
    }
    settings = {**PATIENT, "feedback_dense_share": 0.7}
    async with running(postgres_url, **settings) as client_of:
        client = await filled(client_of("acme"), texts)
        without, with_feedback = [by_vectors(await client.search("ketch", feedback=on)) for on in (False, True)]
    assert without.index("stranger") < without.index("kin")
    assert with_feedback.index("kin") < with_feedback.index("stranger")


async def test_feedback_is_off_or_on_as_the_service_is_set_and_as_the_request_asks(running, postgres_url):
    async with running(postgres_url, **PATIENT) as client_of:
        await filled(client_of("acme"), BIRDS)
    for by_default in (False, True):
        async with running(postgres_url, **PATIENT, feedback=by_default) as client_of:
            search = client_of("acme").search
            assert ("three" in by_words(await search("gull"))) is by_default
            assert "three" in by_words(await search("gull", feedback=True))
            assert "three" not in by_words(await search("gull", feedback=False))


async def test_a_filter_holds_in_the_second_pass(client):
    await filled(client, BIRDS)
    answer = await client.search("gull", feedback=True, filter=not_on("three"))
    assert {hit.document_id for hit in answer.hits} == {"one", "two", "four"}


async def test_nothing_is_learnt_from_what_a_filter_excludes(client):
    await filled(client, {**BIRDS, "two": "A gull hunts herring. ", "five": "A gull flies."})
    answer = await client.search("gull", feedback=True, filter=not_on("two"))
    assert set(by_words(answer)) == {"one", "five"}


async def test_the_second_pass_stays_in_its_collection_and_its_tenant(client_of):
    acme = await filled(client_of("acme"), BIRDS)
    await filled(acme, {"elsewhere": "A gull and a puffin, a puffin and a gull, herring."}, "other")
    await filled(client_of("rival"), {"theirs": "A gull, a puffin, herring.", "and": "A puffin and a gull, herring."})
    answer = await acme.search("gull", feedback=True)
    assert {hit.document_id for hit in answer.hits} == set(BIRDS)
    assert set(by_words(await acme.search("gull", "other", feedback=True))) == {"elsewhere"}


async def test_a_word_that_many_chunks_hold_is_not_learnt(client):
    many = {f"other {number}": f"Everywhere it says bird, and {number}." for number in range(12)}
    await filled(client, {**many, "one": "The gull is a bird.", "two": "A gull, a bird."})
    assert set(by_words(await client.search("gull", feedback=True))) == {"one", "two"}


@pytest.mark.parametrize("question", ["puffin", "the", "?"])
async def test_a_question_that_no_word_answers_is_answered_by_vectors(client, question):
    await filled(client, BIRDS)
    answer = await client.search(question, feedback=True)
    assert {hit.document_id for hit in answer.hits} == set(BIRDS)
    assert by_words(answer) == []


async def test_one_chunk_has_nothing_to_share(client):
    await filled(client, {"one": "The gull eats herring."})
    [hit] = (await client.search("gull", feedback=True)).hits
    assert (hit.dense.rank, hit.keyword.rank) == (1, 1)


async def test_when_it_takes_too_long_the_first_pass_stands_and_that_is_counted(running, postgres_url):
    async with (
        running(postgres_url, feedback_chunks=2, feedback_budget_s=0.2) as client_of,
        await psycopg.AsyncConnection.connect(postgres_url) as slow,
    ):
        client = await filled(client_of("acme"), BIRDS)
        before = given_up()
        # Only the second pass and the reading of the hits look at chunks.
        await slow.execute("LOCK TABLE retrieval.chunks IN ACCESS EXCLUSIVE MODE")
        searching = asyncio.create_task(client.search("gull", feedback=True))
        await one_more_than(before)
        await slow.rollback()
        assert set(by_words(await searching)) == {"one", "two"}


class Silent:
    """An index that never answers."""

    async def shared_terms(self, *_: object) -> None:
        await asyncio.Event().wait()

    nearest_windows = shared_terms


async def test_without_time_left_the_first_pass_stands_on_both_legs():
    feedback = Feedback(Silent(), FeedbackOptions(2, 20, 0.2, 0.2, budget_s=600))
    first = FirstPass(np.ones(2, np.float32), {"gull": 1.0}, [(1, 0.5), (2, 0.4)], [(2, 3.0)])
    with soon_over():
        assert await feedback.second_pass(None, first, first.dense, None, 100) == (first.dense, first.keyword)


def soon_over() -> AbstractContextManager[CallContext]:
    """A call whose caller waits no longer than a second."""
    return bound(CallContext(deadline=asyncio.get_running_loop().time() + 1))


async def one_more_than(before: float) -> None:
    """Waits until another second pass was given up."""
    while given_up() == before:  # noqa: ASYNC110 - a metric tells nobody
        await asyncio.sleep(0.01)


def given_up() -> float:
    return REGISTRY.get_sample_value("weft_retrieval_feedback_given_up_total") or 0.0


def test_other_words_make_up_their_share_of_the_question():
    wanted = expanded({"gull": 3.0, "sea": 1.0}, [("herring", 0.3), ("gull", 0.1)], 0.2)
    assert wanted == pytest.approx({"gull": 2.4 + 0.2, "sea": 0.8, "herring": 0.6})


def test_a_vector_moves_towards_the_mean_of_others_and_stays_of_unit_length():
    east, north = np.eye(2, dtype=np.float32)
    towards = moved(east, np.array([north, north]), 0.5)
    assert towards == pytest.approx(np.array([1, 1]) / np.sqrt(2))
    assert moved(east, np.empty((0, 2), np.float32), 0.5) == pytest.approx(east)
    assert moved(east, np.array([-east]), 0.5) == pytest.approx(east)
