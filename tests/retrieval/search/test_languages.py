"""Words are stemmed in the language of their document, and questions in those that a collection holds."""

# ruff: noqa: RUF001 - letters that look alike are in all scripts

import asyncio

import psycopg
import pytest
from tests.retrieval.conftest import Client

from weft.common.v1 import error_pb2
from weft.common.v1.filter_pb2 import Condition, Filter, Value
from weft.retrieval.v1 import retrieval_pb2 as pb
from weft_kit.rpc.errors import WeftError
from weft_retrieval.analysis.languages import (
    LANGUAGES,
    asked_in,
    detected,
    language_problem,
)
from weft_retrieval.config import Config

ENGLISH = "The old houses of the harbour stand beside the water, and the ferries leave from there every morning."
GERMAN = "Die alten Häuser am Hafen stehen direkt am Wasser, und die Fähren fahren dort jeden Morgen ab."
RUSSIAN = "Старые дома стоят у самой воды, и паромы отправляются оттуда каждое утро."


@pytest.mark.parametrize(("given", "meant"), [("de", "german"), ("EN", "english"), ("German", "german")])
def test_a_language_written_another_way_is_told_as_it_is_written(given, meant):
    assert language_problem(given) == f"must be written {meant}"
    assert language_problem(meant) == ""


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "english"),
        (GERMAN, "german"),
        (RUSSIAN, "russian"),
        ("Las casas viejas del puerto están junto al agua.", "spanish"),
        ("Les vieilles maisons du port sont au bord de l'eau.", "french"),
        ("Stare domy w porcie stoją tuż nad wodą.", "polish"),
        ("Limandaki eski evler suyun hemen yanında duruyor.", "turkish"),
        ("Τα παλιά σπίτια του λιμανιού στέκονται δίπλα στο νερό.", "greek"),
        ("البيوت القديمة في الميناء تقع بجانب الماء.", "arabic"),
        ("बंदरगाह के पुराने घर पानी के पास खड़े हैं।", "hindi"),
        ("துறைமுகத்தின் பழைய வீடுகள் தண்ணீருக்கு அருகில் உள்ளன.", "tamil"),
        ("Batho bohle ba tswetswe ba lokolohile mme ba lekana ka botho le ditokelo.", "sesotho"),
        # No stemmer is there for these.
        ("港口的老房子就在水边。", "simple"),
        ("港の古い家々は水辺に建っている。", "simple"),
        ("บ้านเก่าที่ท่าเรือตั้งอยู่ริมน้ำ", "simple"),
        ("Những ngôi nhà cổ ở bến cảng nằm ngay cạnh mặt nước.", "simple"),
        ("Старите къщи на пристанището са точно до водата.", "simple"),
        # Names, codes and numbers look like any language, and stand in English texts most.
        ("ERR-4031 HTTP/2 x86_64 CVE-2024-1234", "english"),
        ("42 17 2026-09-30 !!", "simple"),
        ("", "simple"),
    ],
)
def test_a_text_is_stemmed_as_what_it_is_written_in(text, language):
    assert detected(text) == language


def test_a_few_words_are_told_from_those_of_a_neighbour():
    assert [detected(text) for text in ("Мужчина ест банан.", "Мъж свири на китара.")] == ["russian", "simple"]


def test_a_document_that_begins_in_another_language_is_told_by_the_rest():
    licence = "Permission is hereby granted, free of charge, to any person. "
    assert detected(licence + 40 * GERMAN) == "german"


def test_a_question_is_asked_in_its_own_language_first():
    held = {"english": 900, "german": 20, "russian": 1}
    assert asked_in("Welche Häuser stehen am Hafen?", held) == {"english": 0.25, "german": 1.0, "russian": 0.25}
    assert asked_in("Which houses stand at the harbour?", held)["english"] == 1.0


def test_words_that_tell_no_language_are_asked_in_all_of_them():
    shares = asked_in("42 17", {"english": 900, "german": 800, "russian": 1})
    assert shares == {"english": 1.0, "german": pytest.approx(8 / 9), "russian": 0.5}


def test_a_collection_of_one_language_is_asked_in_that_whatever_the_question_is():
    assert asked_in("Welche Häuser stehen am Hafen?", {"english": 3}) == {"english": 1.0}
    assert asked_in("anything", {}) == {}


def test_a_question_is_asked_in_few_of_very_many_languages():
    held = {language: 100 + place for place, language in enumerate(sorted(LANGUAGES))}
    assert len(asked_in("Which houses stand at the harbour?", held)) == 9


async def found(client: Client, query: str, **fields: object) -> list[str]:
    """Returns the documents that a query's words find, best first."""
    hits = (await client.search(query, top_k=100, **fields)).hits
    ranked = sorted((hit for hit in hits if hit.HasField("keyword")), key=lambda hit: hit.keyword.rank)
    return [hit.document_id for hit in ranked]


async def analysed(client: Client) -> pb.Collection:
    """Returns the collection once its chunks are analysed anew."""
    while (collection := await client.get()).analysing:  # noqa: ASYNC110 - nothing announces it
        await asyncio.sleep(0.02)
    return collection


async def test_one_collection_holds_documents_of_many_languages(client):
    assert (await client.create()).language == "detected"
    for name, text in {"en": ENGLISH, "de": GERMAN, "ru": RUSSIAN, "zh": "港口的老房子就在水边。"}.items():
        await client.ingest(text, name)
    listed = {one.document_id: one.language for one in (await client.documents()).documents}
    assert listed == {"en": "english", "de": "german", "ru": "russian", "zh": "simple"}
    counts = {one.language: one.chunk_count for one in (await client.get()).languages}
    assert counts == {"english": 1, "german": 1, "russian": 1, "simple": 1}
    # Each is found by another form of its words.
    for query, name in {"house": "en", "Haus": "de", "паром": "ru", "老房子": "zh"}.items():
        assert (await found(client, query))[:1] == [name]


async def test_a_german_document_leaves_the_order_of_english_ones_as_it_was(client):
    await client.create()
    for number in range(12):
        await client.ingest(f"{ENGLISH} Ferry number {number}. " + "The ferries are late. " * number, f"en{number}")
    queries = ("when do the ferries leave", "old houses", "late ferry", "harbour")
    before = [(await found(client, query))[:3] for query in queries]
    await client.ingest(GERMAN, "de")
    assert [(await found(client, query))[:3] for query in queries] == before
    assert await found(client, "Wann fährt die Fähre?") == ["de"]


async def test_a_collections_language_may_be_given(client):
    collection = await client.create(language="german")
    await client.ingest("Häuser", "short")
    assert (collection.language, (await client.documents()).documents[0].language) == ("german", "german")
    assert await found(client, "Haus") == ["short"]


async def test_a_documents_language_may_be_given(client):
    await client.create(language="english")
    await client.ingest("Häuser", "de", language="german")
    await client.ingest(GERMAN, "detected", language="detected")
    await client.ingest("houses", "en")
    listed = {one.document_id: one.language for one in (await client.documents()).documents}
    assert listed == {"de": "german", "detected": "german", "en": "english"}
    again = await client.ingest("Häuser", "de", language="simple")
    assert (again.outcome, again.document.language) == (pb.IngestResponse.OUTCOME_UPDATED, "simple")


async def test_the_services_default_may_be_another(running, postgres_url):
    async with running(postgres_url, language="german") as client_of:
        assert (await client_of("acme").create()).language == "german"


async def test_documents_are_filtered_by_their_language(client):
    await client.create()
    await client.ingest(ENGLISH, "en")
    await client.ingest(GERMAN, "de")
    wanted = Condition(field="language", operator=Condition.OPERATOR_EQUAL, values=[Value(text="german")])
    hits = (await client.search("houses", filter=Filter(condition=wanted))).hits
    assert [hit.document_id for hit in hits] == ["de"]


@pytest.mark.parametrize("call", ["create", "update", "ingest"])
async def test_an_unknown_language_is_told_which_ones_there_are(client, call):
    await client.create()
    with pytest.raises(WeftError, match=r"must be detected or one of arabic, .*german.*simple") as refused:
        await {
            "create": lambda: client.create("more", language="klingon"),
            "update": lambda: client.update("klingon"),
            "ingest": lambda: client.ingest("text", language="klingon"),
        }[call]()
    assert "language" in refused.value.message


def test_a_setting_that_is_no_language_is_refused():
    with pytest.raises(ValueError, match="must be detected or one of"):
        Config(language="klingon")


async def test_a_repeat_with_another_language_is_another_collection(client):
    await client.create(language="german")
    assert (await client.create()).language == "german"
    with pytest.raises(WeftError, match="UpdateCollection") as refused:
        await client.create(language="english")
    assert refused.value.reason == error_pb2.ERROR_REASON_COLLECTION_EXISTS


async def test_a_change_of_the_collections_language_analyses_its_words_anew(running, postgres_url, superuser_url):
    async with running(postgres_url, reanalysis_poll_s=0.05) as client_of:
        client = client_of("acme")
        await client.create(language="english")
        for number in range(40):
            await client.ingest(f"{GERMAN} Nummer {number}.", f"de{number}")
        await client.ingest("Häuser", "given", language="simple")
        assert await found(client, "Haus") == []
        assert await found(client, "Häuser")
        assert (await client.update("german")).language == "german"
        collection = await analysed(client)
        assert {one.language: one.chunk_count for one in collection.languages} == {"german": 40, "simple": 1}
        assert len(await found(client, "Haus")) == 40
        await client.update("detected")
        await analysed(client)
        assert len(await found(client, "Haus")) == 40
        for number in range(40):
            await client.delete(f"de{number}")
        assert [(one.language, one.chunk_count) for one in (await client.get()).languages] == [("simple", 1)]
    with psycopg.connect(superuser_url, options="-c search_path=retrieval,public") as session:
        lengths = session.execute("SELECT (SELECT sum(length) FROM chunks), total_length FROM collections").fetchone()
        assert lengths == (1, 1)


async def test_while_the_language_changes_documents_are_found_by_their_old_words(running, postgres_url):
    async with running(postgres_url, reanalysis_poll_s=3600) as client_of:
        client = client_of("acme")
        await client.create(language="english")
        await client.ingest(ENGLISH, "en")
        # The first look at what is due has passed or not: either way the words are found.
        updated = await client.update("german")
        assert updated.language == "german"
        assert await found(client, "ferries") == ["en"]
        await client.ingest("Häuser", "de")
        assert await found(client, "Haus") == ["de"]


async def test_chunks_that_stay_are_analysed_anew_when_their_documents_language_changes(running, postgres_url):
    async with running(postgres_url, reanalysis_poll_s=0.05) as client_of:
        client = client_of("acme")
        await client.create()
        await client.ingest("Häuser", "one", language="simple", metadata={"version": 1})
        updated = await client.ingest("Häuser", "one", language="german", metadata={"version": 2})
        assert updated.embedded_chunks == 0
        await analysed(client)
        assert await found(client, "Haus") == ["one"]


async def test_an_empty_collection_changes_its_language_at_once(client):
    await client.create(language="english")
    updated = await client.update("german")
    assert (updated.language, updated.analysing) == ("german", False)
