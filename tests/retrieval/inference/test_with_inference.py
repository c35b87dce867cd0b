"""The service with the real embedder, in a process of its own."""

from collections.abc import Iterator

import pytest
from tests.support.inference_process import inference_process


@pytest.fixture
def real_inference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with inference_process(tmp_path_factory.mktemp("inference")) as inference:
        yield inference.target


async def test_a_document_is_found_by_its_meaning_to_its_very_end(running, postgres_url, real_inference):
    filler = "The committee met on Tuesday and discussed the budget of the library at some length. "
    report = "# Minutes\n\n" + filler * 40 + "Afterwards a cat gave birth to four kittens under the table."
    async with running(postgres_url, inference_target=real_inference) as client_of:
        client = client_of("acme")
        await client.create()
        ingested = await client.ingest(report, "minutes.md")
        await client.ingest("Bread is made of flour, water and salt.", "bread")
        await client.ingest("The moon pulls the sea.", "tides")
        assert ingested.document.chunk_count == 1
        hits = (await client.search("newborn felines")).hits
        assert hits[0].document_id == "minutes.md"
        assert not hits[0].HasField("keyword")
        assert (await client.get()).embedder


SHELVES = {
    "Thai": {"eggs": "ต้มไข่ ใช้เวลา สิบนาที", "bicycle": "ซ่อม จักรยาน ด้วย ประแจ"},
    "Hindi": {"eggs": "अंडा उबालने में दस मिनट लगते हैं।", "bicycle": "साइकिल ठीक करने के लिए पाना चाहिए।"},
    "Russian": {"eggs": "Яйцо варят десять минут.", "bicycle": "Велосипед чинят ключом."},
    "Chinese": {"eggs": "煮鸡蛋需要十分钟。", "bicycle": "修理自行车需要扳手。"},
}
QUERIES = {"Thai": "ซ่อม จักรยาน", "Hindi": "साइकिल ठीक", "Russian": "Велосипед чинят чем?", "Chinese": "修理自行车"}


@pytest.fixture
async def shelved(running, postgres_url, real_inference):
    """All shelves in one collection, and a page in English."""
    async with running(postgres_url, inference_target=real_inference) as client_of:
        client = client_of("acme")
        await client.create()
        for language, shelf in SHELVES.items():
            for subject, text in shelf.items():
                await client.ingest(text, f"{language} {subject}")
        await client.ingest("A bicycle is mended with a spanner.", "English bicycle")
        yield client


@pytest.mark.parametrize("language", SHELVES)
async def test_the_words_alone_decide_where_the_embedder_cannot_read_the_query(shelved, language):
    hits = (await shelved.search(QUERIES[language])).hits
    assert hits[0].document_id == f"{language} bicycle"
    assert not any(hit.HasField("dense") for hit in hits)


async def test_what_the_embedder_could_not_read_is_not_near_to_anything(shelved):
    hits = (await shelved.search("how do I repair my bike")).hits
    assert [hit.document_id for hit in hits if hit.HasField("dense")] == ["English bicycle"]


async def test_a_collection_of_nothing_that_can_be_read_is_searched_by_its_words(running, postgres_url, real_inference):
    async with running(postgres_url, inference_target=real_inference) as client_of:
        client = client_of("acme")
        await client.create()
        await client.ingest(SHELVES["Thai"]["eggs"], "eggs")
        assert not (await client.search("how do I boil an egg")).hits
        [hit] = (await client.search("ต้มไข่")).hits
        assert hit.document_id == "eggs"
        await client.ingest("Eggs are boiled for ten minutes.", "eggs")
        [hit] = (await client.search("how do I cook an egg")).hits
        assert hit.HasField("dense")
