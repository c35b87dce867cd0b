"""Documents that are embedded at the same time share batches, and nothing else."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
from tests.retrieval.ingest_jobs.ingest_client import PatientEmbedder

from weft_kit.rpc.channel import Channel
from weft_kit.rpc.context import CallContext, bound
from weft_kit.rpc.errors import Internal, WeftError
from weft_retrieval.inference.batches import SharedBatches
from weft_retrieval.inference.embedder import EmbeddingClient


class FussyEmbedder(PatientEmbedder):
    """Breaks on one word."""

    async def Embed(self, request, context):
        if any("poison" in text for text in request.texts):
            raise Internal("")
        return await super().Embed(request, context)


@pytest.fixture
def embedder() -> PatientEmbedder:
    return FussyEmbedder()


@pytest.fixture
async def batches(inference: str) -> AsyncIterator[SharedBatches]:
    async with Channel(inference, "inference") as channel:
        embedder = EmbeddingClient(channel, batch_texts=16, batches_in_flight=2)
        async with SharedBatches(embedder, batch_texts=16, batches_in_flight=2) as batches:
            yield batches


async def test_what_waits_while_batches_are_under_way_makes_the_next_ones(batches, embedder):
    embedder.pass_only(0)
    asked = [asyncio.create_task(batches.documents([f"text {number}"])) for number in range(30)]
    await embedder.held.wait()
    embedder.pass_all()
    vectors = await asyncio.gather(*asked)
    assert sorted(embedder.batches) == [1, 1, 12, 16]
    for number, found in enumerate(vectors):
        np.testing.assert_allclose(found.rows[0], embedder.vector(f"text {number}"), atol=1e-6)


async def test_a_long_document_is_embedded_in_several_batches_and_put_together(batches, embedder):
    texts = [f"window {number}" for number in range(40)]
    found = await batches.documents(texts)
    assert embedder.batches == [16, 16, 8]
    np.testing.assert_allclose(found.rows, [embedder.vector(text) for text in texts], atol=1e-6)


async def test_a_text_that_breaks_the_embedder_fails_its_own_document_alone(batches, embedder):
    embedder.pass_only(0)
    first = [asyncio.create_task(batches.documents([f"first {number}"])) for number in range(2)]
    await embedder.held.wait()
    words = ["fine", "poison", "good"]
    later = [asyncio.create_task(batches.documents([word])) for word in words]
    await asyncio.sleep(0)
    embedder.pass_all()
    await asyncio.gather(*first)
    fine, poison, good = await asyncio.gather(*later, return_exceptions=True)
    assert isinstance(poison, WeftError)
    assert poison.status is grpc.StatusCode.INTERNAL
    assert len(fine.rows) == len(good.rows) == 1


async def test_an_embedder_that_is_busy_fails_the_whole_batch_once(batches, embedder):
    embedder.away = True
    found = await asyncio.gather(*(batches.documents(["x"]) for _ in range(5)), return_exceptions=True)
    assert {failure.status for failure in found} == {grpc.StatusCode.UNAVAILABLE}


async def test_it_knows_for_how_long_it_was_busy(batches, embedder):
    assert batches.busy_s == 0
    embedder.pass_only(0)
    asked = asyncio.create_task(batches.documents(["x"]))
    await embedder.held.wait()
    assert batches.busy_s > 0
    embedder.pass_all()
    await asked
    busy_s = batches.busy_s
    await asyncio.sleep(0.01)
    assert batches.busy_s == busy_s


async def test_a_long_document_of_one_tenant_does_not_stand_before_the_next_ones(batches, embedder):
    embedder.pass_only(0)
    with bound(CallContext(tenant="book")):
        book = asyncio.create_task(batches.documents([f"window {number}" for number in range(160)]))
        await embedder.held.wait()
    with bound(CallContext(tenant="note")):
        note = asyncio.create_task(batches.documents(["a note"]))
        await asyncio.sleep(0)
    embedder.pass_all()
    await note
    assert len(embedder.batches) <= 5
    assert not book.done()
    await book
    assert sum(embedder.batches) == 161


async def test_batches_that_nobody_waits_for_any_more_stand_before_nobody(batches, embedder):
    embedder.pass_only(0)
    gone = [asyncio.create_task(batches.documents([f"{name} {number}" for number in range(16)])) for name in "ab"]
    await embedder.held.wait()
    for asked in gone:
        asked.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    note = asyncio.create_task(batches.documents(["a note"]))
    async with asyncio.timeout(30):
        while 1 not in embedder.batches:
            embedder.held.clear()
            await embedder.held.wait()
    embedder.pass_all()
    assert len((await note).rows) == 1


async def test_a_batch_that_somebody_still_waits_for_goes_on(batches, embedder):
    embedder.pass_only(0)
    first = [asyncio.create_task(batches.documents([f"first {number}"])) for number in range(2)]
    await embedder.held.wait()
    gone, kept = (asyncio.create_task(batches.documents([name])) for name in ("gone", "kept"))
    await asyncio.sleep(0)
    embedder.pass_all()
    await asyncio.gather(*first)
    gone.cancel()
    assert len((await kept).rows) == 1
