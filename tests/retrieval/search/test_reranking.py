"""A reranker may reorder the first hits, but no search waits for it longer than it may take."""

import pytest

TEXTS = {"long": "moon tide sea " * 9, "middle": "moon tide sea " * 6, "short": "moon tide"}


@pytest.fixture
async def filled(client):
    await client.create()
    for name, text in TEXTS.items():
        await client.ingest(text, name)
    return client


async def found(client) -> list[str]:
    return [hit.document_id for hit in (await client.search("moon tide sea")).hits]


async def test_its_opinion_counts_beside_the_legs(filled, running, postgres_url, embedder):
    before = await found(filled)
    assert before[-1] == "short"
    assert not embedder.reranked
    async with running(postgres_url, rerank_depth=2, rerank_weight=100) as client_of:
        assert await found(client_of("acme")) == [before[1], before[0], "short"]
    async with running(postgres_url, rerank_depth=3, rerank_weight=100) as client_of:
        assert await found(client_of("acme")) == ["short", "middle", "long"]
    assert embedder.reranked == [2, 3]


async def test_without_an_answer_in_time_the_legs_decide(filled, running, postgres_url, embedder):
    before = await found(filled)
    embedder.rerank_opens.clear()
    async with running(postgres_url, rerank_depth=3, rerank_budget_s=0.05) as client_of:
        assert await found(client_of("acme")) == before
    assert embedder.reranked == [3]
