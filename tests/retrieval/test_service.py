"""The service over a real socket: what callers see."""

import asyncio

import grpc
import pytest

from weft.common.v1 import filter_pb2
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft_kit.rpc.errors import WeftError


async def refused(call, reason: str, status: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT) -> WeftError:
    with pytest.raises(WeftError) as caught:
        await call
    assert (caught.value.reason_name, caught.value.status) == (reason, status)
    return caught.value


async def test_a_document_is_found_by_its_words_and_says_how(client):
    await client.create()
    await client.ingest("# Tides\n\nThe moon pulls the sea.", "tides.md", metadata={"year": 1687})
    await client.ingest("Bread is flour, water, salt and time.", "bread", source_uri="https://x.test/bread.txt")
    answer = await client.search("Why does the sea follow the moon?")
    hit = answer.hits[0]
    assert (hit.document_id, hit.title, list(hit.headings), hit.ordinal) == ("tides.md", "Tides", ["Tides"], 0)
    assert hit.text == "# Tides\n\nThe moon pulls the sea."
    assert hit.metadata["year"] == 1687
    assert (hit.dense.rank, hit.keyword.rank) == (1, 1)
    assert hit.score == 1.0
    assert hit.dense.score > answer.hits[1].dense.score
    assert not answer.hits[1].HasField("keyword")
    assert answer.collection_version == 2


async def test_a_collection_is_created_once_and_keeps_its_settings(client):
    first = await client.create(max_tokens=500)
    assert (first.chunking.max_tokens, first.chunking.overlap_tokens) == (500, 62)
    assert await client.create(max_tokens=500) == first
    error = await refused(client.create(max_tokens=400), "COLLECTION_EXISTS", grpc.StatusCode.ALREADY_EXISTS)
    assert "500 tokens" in error.message


async def test_a_collection_with_bad_settings_is_refused(client):
    for name in ("", "Docs", "a" * 65, "a\x00b"):
        await refused(client.create(name), "INVALID_FIELD")
    for size, overlap in ((63, 0), (4001, 0), (100, 50), (800, -1), (-64, -100)):
        await refused(client.create("ok", max_tokens=size, overlap_tokens=overlap), "INVALID_FIELD")


async def test_the_same_content_again_does_nothing(client, embedder):
    await client.create()
    first = await client.ingest("one two three", "d", metadata={"a": 1})
    read = len(embedder.texts)
    again = await client.ingest("one two three", "d", metadata={"a": 1})
    assert (first.outcome, again.outcome) == (pb.IngestResponse.OUTCOME_CREATED, pb.IngestResponse.OUTCOME_UNCHANGED)
    assert again.document == first.document
    assert (again.collection_version, again.embedded_chunks, len(embedder.texts)) == (1, 0, read)


async def test_new_metadata_is_stored_without_embedding_again(client):
    await client.create()
    await client.ingest("one two three", "d", metadata={"a": 1})
    again = await client.ingest("one two three", "d", metadata={"a": 2})
    assert (again.outcome, again.embedded_chunks) == (pb.IngestResponse.OUTCOME_UPDATED, 0)
    assert (await client.search("two")).hits[0].metadata["a"] == 2


async def test_new_content_replaces_the_old_and_embeds_only_what_changed(client):
    await client.create(max_tokens=64, overlap_tokens=0)
    sections = [f"## Part {n}\n\n" + f"word{n} " * 40 for n in range(6)]
    first = await client.ingest("\n\n".join(sections), "d.md")
    sections[3] = "## Part 3\n\n" + "changed " * 40
    second = await client.ingest("\n\n".join(sections), "d.md")
    assert second.outcome == pb.IngestResponse.OUTCOME_UPDATED
    assert 0 < second.embedded_chunks < first.embedded_chunks
    assert not any("word3" in hit.text for hit in (await client.search("word3", top_k=100)).hits)
    assert "changed" in (await client.search("changed")).hits[0].text
    collection = await client.get()
    assert (collection.version, collection.document_count) == (2, 1)
    assert collection.chunk_count == second.document.chunk_count


async def test_unchanged_chunks_keep_their_ids(client):
    await client.create(max_tokens=64, overlap_tokens=0)
    sections = [f"## Part {n}\n\n" + f"word{n} " * 40 for n in range(4)]
    await client.ingest("\n\n".join(sections), "d.md")
    before = (await client.search("word3")).hits[0]
    await client.ingest("\n\n".join(["## New\n\n" + "fresh " * 40, *sections]), "d.md", title="Part 0")
    after = (await client.search("word3")).hits[0]
    assert after.ordinal > before.ordinal
    assert after.text == before.text


async def test_a_deleted_document_is_gone(client):
    await client.create()
    await client.ingest("The moon pulls the sea.", "tides")
    assert await client.delete("tides") == 2
    assert not (await client.search("moon")).hits
    assert (await client.get()).chunk_count == 0
    await refused(client.delete("tides"), "DOCUMENT_NOT_FOUND", grpc.StatusCode.NOT_FOUND)


async def test_what_is_not_there_is_not_found(client):
    for call in (client.search("x", "nope"), client.get("nope"), client.documents("nope"), client.delete("d", "nope"),
                 client.ingest("x", "d", "nope")):  # fmt: skip
        await refused(call, "COLLECTION_NOT_FOUND", grpc.StatusCode.NOT_FOUND)


BAD_DOCUMENTS = [
    ({"content": b""}, "INVALID_FIELD"),
    ({"content": b" \n\t "}, "UNREADABLE_DOCUMENT"),
    ({"content": "\u200b".encode()}, "UNREADABLE_DOCUMENT"),
    ({"content": "The keeper".encode("cp037")}, "UNREADABLE_DOCUMENT"),
    ({"content": bytes(range(32)) * 4}, "UNREADABLE_DOCUMENT"),
    ({"content": b"%PDF-1.7\ngarbage", "document_id": "x.pdf"}, "UNREADABLE_DOCUMENT"),
    ({"content": b"no pdf", "content_type": pb.CONTENT_TYPE_PDF}, "UNREADABLE_DOCUMENT"),
    ({"content": b"\x7fELF" + bytes(100), "document_id": "ls.html"}, "UNREADABLE_DOCUMENT"),
    ({"content": b"\x7fELF <p>" + bytes(100), "content_type": pb.CONTENT_TYPE_HTML}, "UNREADABLE_DOCUMENT"),
    ({"content": b"<html><script>x()</script></html>"}, "UNREADABLE_DOCUMENT"),
    ({"content": b"x", "document_id": "a\x00b"}, "INVALID_FIELD"),
    ({"content": b"x", "document_id": "a" * 513}, "INVALID_FIELD"),
    ({"content": b"x", "title": "a\x00b"}, "INVALID_FIELD"),
    ({"content": b"x", "metadata": {"bad key": 1}}, "INVALID_FIELD"),
    ({"content": b"x", "metadata": {"k": "a\x00b"}}, "INVALID_FIELD"),
    ({"content": b"x", "metadata": {"k": None}}, "INVALID_FIELD"),
    ({"content": b"x", "metadata": {"k": {"deep": 1}}}, "INVALID_FIELD"),
    ({"content": b"x", "metadata": {"k": float("nan")}}, "INVALID_FIELD"),
]


async def test_bad_documents_are_refused_and_leave_nothing(client):
    await client.create()
    for fields, reason in BAD_DOCUMENTS:
        await refused(client.ingest(**fields), reason)
    assert (await client.get()).version == 0


async def test_a_text_with_a_nul_in_an_old_encoding_is_stored_and_found(client):
    await client.create()
    await client.ingest("Die Möwe\x00übt.".encode("cp1252"), "gulls.txt")
    [hit] = (await client.search("möwe")).hits
    assert hit.text == "Die Möwe übt."


async def test_a_document_beyond_the_limit_is_refused_with_both_numbers(running, postgres_url):
    async with running(postgres_url, max_document_bytes=1000) as client_of:
        client = client_of("acme")
        await client.create()
        error = await refused(client.ingest(b"x" * 1001, "big"), "REQUEST_TOO_LARGE")
        assert error.metadata == {"size_bytes": "1001", "limit_bytes": "1000"}


async def test_bad_searches_are_refused(client):
    await client.create()
    for fields in ({"query": ""}, {"query": "x" * 8193}, {"query": "x", "top_k": 101}, {"query": "x", "top_k": -1},
                   {"query": "x", "collection": "No Name"}):  # fmt: skip
        await refused(client.search(**fields), "INVALID_FIELD")


async def test_a_malformed_filter_is_refused_with_its_place(client):
    await client.create()
    condition = filter_pb2.Condition(field="colour", operator=filter_pb2.Condition.OPERATOR_EXISTS)
    wanted = filter_pb2.Filter(**{"not": filter_pb2.Filter(condition=condition)})
    error = await refused(client.search("x", filter=wanted), "INVALID_FILTER")
    assert error.metadata["node"] == "filter.not.condition.field"


async def test_a_filter_holds_for_both_legs(client):
    await client.create()
    for year in (1998, 2003, 2021):
        await client.ingest(f"The moon pulls the sea, says {year}.", str(year), metadata={"year": year})
    condition = filter_pb2.Condition(
        field="metadata.year",
        operator=filter_pb2.Condition.OPERATOR_GREATER,
        values=[filter_pb2.Value(number=2000)],
    )
    hits = (await client.search("moon 1998", filter=filter_pb2.Filter(condition=condition))).hits
    assert {hit.document_id for hit in hits} == {"2003", "2021"}
    assert all(hit.HasField("dense") and hit.HasField("keyword") for hit in hits)


async def test_lists_come_in_pages_and_their_tokens_fit_no_other_list(client_of):
    client, other = client_of("acme"), client_of("other")
    for name in ("a", "b", "c"):
        await client.create(name)
        await client.ingest(name, f"{name}-doc", "a")
    first = await client.collections(page_size=2)
    second = await client.collections(page_size=2, page_token=first.next_page_token)
    assert [c.name for c in (*first.collections, *second.collections)] == ["a", "b", "c"]
    assert not second.next_page_token
    page = await client.documents("a", page_size=1)
    rest = await client.documents("a", page_token=page.next_page_token)
    assert [d.document_id for d in (*page.documents, *rest.documents)] == ["a-doc", "b-doc", "c-doc"]
    await client.create("d")
    for call in (client.documents("a", page_token=first.next_page_token), client.collections(page_token="forged"),
                 client.documents("d", page_token=page.next_page_token), client.collections(page_token="é"),
                 other.collections(page_token=first.next_page_token)):  # fmt: skip
        await refused(call, "INVALID_PAGE_TOKEN")
    await refused(client.collections(page_size=1001), "INVALID_FIELD")


async def test_a_page_token_is_good_at_every_replica(running, postgres_url):
    async with running(postgres_url) as here, running(postgres_url) as there:
        for name in ("a", "b"):
            await here("acme").create(name)
        first = await here("acme").collections(page_size=1)
        second = await there("acme").collections(page_size=1, page_token=first.next_page_token)
        assert [collection.name for collection in (*first.collections, *second.collections)] == ["a", "b"]


async def test_concurrent_ingests_of_one_document_leave_one_of_them_whole(client):
    await client.create(max_tokens=64)
    texts = [f"version{n} " * 100 for n in range(4)]
    await asyncio.gather(*(client.ingest(text, "d") for text in texts))
    hits = (await client.search("version0 version1 version2 version3", top_k=100)).hits
    assert len({hit.text.split()[0] for hit in hits}) == 1
    collection = await client.get()
    assert (collection.document_count, collection.chunk_count, collection.version) == (1, len(hits), 4)


async def test_concurrent_ingests_of_the_same_content_store_it_once(client):
    await client.create()
    answers = await asyncio.gather(*(client.ingest("same " * 50, "d") for _ in range(4)))
    created = [a for a in answers if a.outcome == pb.IngestResponse.OUTCOME_CREATED]
    assert len(created) == 1
    assert (await client.get()).version == 1


async def test_another_embedder_is_refused_with_what_to_do(client, embedder):
    await client.create()
    await client.ingest("The moon pulls the sea.", "tides")
    embedder.name = "other-64"
    for call in (client.search("moon"), client.ingest("Bread is flour.", "bread")):
        error = await refused(call, "EMBEDDER_MISMATCH", grpc.StatusCode.FAILED_PRECONDITION)
        assert "words-64" in error.message
        assert "new collection" in error.message


async def test_collections_of_embedders_with_other_dimensions_stand_beside_each_other(client, embedder):
    await client.create("before")
    await client.ingest("The moon pulls the sea.", "tides", collection="before")
    embedder.name, embedder.dimensions = "words-32", 32
    await client.create("after")
    await client.ingest("The moon pulls the sea.", "tides", collection="after")
    assert (await client.search("moon", collection="after")).hits[0].HasField("dense")
    await refused(client.search("moon", collection="before"), "EMBEDDER_MISMATCH", grpc.StatusCode.FAILED_PRECONDITION)
    embedder.name, embedder.dimensions = "words-64", 64
    assert (await client.search("moon", collection="before")).hits[0].HasField("dense")


async def test_an_embedder_that_cuts_windows_off_is_refused(client, embedder):
    await client.create()
    embedder.truncates = True
    await refused(client.ingest("long", "d"), "EMBEDDER_MISMATCH", grpc.StatusCode.FAILED_PRECONDITION)


async def test_without_inference_a_search_says_what_is_down(running, postgres_url):
    async with running(postgres_url) as client_of:
        await client_of("acme").create()
        await client_of("acme").ingest("The moon.", "d")
    async with running(postgres_url, inference_target="127.0.0.1:1") as client_of:
        error = await refused(client_of("acme").search("moon"), "DEPENDENCY_DOWN", grpc.StatusCode.UNAVAILABLE)
        assert error.metadata["dependency"] == "inference"


async def test_without_postgresql_the_service_starts_and_says_what_is_down(running):
    async with running("postgresql://postgres@127.0.0.1:1/none") as client_of:
        error = await refused(client_of("acme").get(), "DEPENDENCY_DOWN", grpc.StatusCode.UNAVAILABLE)
        assert error.metadata["dependency"] == "postgresql"


async def test_a_call_without_a_tenant_is_refused(client_of):
    await refused(client_of("").collections(), "UNAUTHENTICATED", grpc.StatusCode.UNAUTHENTICATED)
