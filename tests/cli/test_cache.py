"""`weft cache`: what people read, what programs get, and what is asked of the mesh."""

import json
from collections.abc import AsyncIterator

import pytest
from tests.support.command_line import weft

from weft.cache.v1 import cache_pb2 as pb
from weft.cache.v1 import cache_pb2_grpc as rpc
from weft.common.v1 import budget_pb2
from weft_client.client import WeftClient
from weft_kit.rpc.server import Server, Service

FALSE_HITS = pb.FalseHits(audits=148, wrong=15, rate=0.1014, rate_low=0.0624, rate_high=0.1605)
STATS = pb.GetStatsResponse(
    exact_hits=600,
    semantic_hits=150,
    misses=250,
    entries=1234,
    tokens_saved=98765,
    store_bytes=80_000_000,
    tenant_bytes=2_500_000,
    most_bytes=268_435_456,
    cost_saved=[budget_pb2.Cost(micros=12_340_000, currency="EUR")],
    false_hits=FALSE_HITS,
)


class Shelf(rpc.CacheServiceServicer):
    """Has these counts, and two answers to forget; `asked` keeps what is to be forgotten."""

    def __init__(self) -> None:
        self.stats = STATS
        self.asked: list[pb.InvalidateRequest] = []

    async def GetStats(self, _request: pb.GetStatsRequest, _: object) -> pb.GetStatsResponse:
        return self.stats

    async def Invalidate(self, request: pb.InvalidateRequest, _: object) -> pb.InvalidateResponse:
        self.asked.append(request)
        return pb.InvalidateResponse(invalidated=2)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def endpoint(shelf: Shelf) -> AsyncIterator[str]:
    service = Service("weft.cache.v1.CacheService", rpc.add_CacheServiceServicer_to_server, shelf)
    async with Server("127.0.0.1:0", [service], grace_s=0) as server:
        yield server.address


@pytest.fixture
def run(endpoint):
    return lambda *words: weft("--endpoint", endpoint, "--key", "k", "cache", *words)


async def test_stats_say_what_was_saved_and_how_often_it_was_wrong(run):
    code, out, err = await run("stats")
    assert (code, err) == (0, "")
    for shown in (
        "600 (60.0%)",
        "150 (15.0%)",
        "10.1% (15 of 148 asked again; 95% interval 6.2% to 16.1%)",
        "98,765",
        "12.34 EUR",
        "1,234, 2.4 MiB",
        "256.0 MiB",
    ):
        assert shown in out


async def test_stats_of_an_unused_cache_claim_nothing(run, shelf):
    shelf.stats = pb.GetStatsResponse()
    code, out, _ = await run("stats")
    assert code == 0
    assert "none was asked again yet" in out
    assert "none of these answers had a price" in out
    assert "%" not in out


async def test_few_answers_have_a_size_too(run, shelf):
    shelf.stats = pb.GetStatsResponse(entries=2, tenant_bytes=10_169)
    _, out, _ = await run("stats")
    assert "2, 9.9 KiB" in out


async def test_models_are_told_apart_where_there_are_several(run, shelf):
    several = [pb.ModelFalseHits(model=model, false_hits=FALSE_HITS) for model in ("large", "small")]
    shelf.stats = pb.GetStatsResponse(false_hits=FALSE_HITS, model_false_hits=several)
    _, out, _ = await run("stats")
    assert "of large" in out
    assert "of small" in out


async def test_stats_for_programs_are_the_message(run):
    _, out, _ = await run("stats", "--json")
    assert json.loads(out)["false_hits"]["wrong"] == "15"


async def test_answers_are_forgotten_by_all_that_is_named(run, shelf):
    code, out, _ = await run(
        "invalidate", "--tag", "hr", "--model", "small", "-c", "docs", "--document", "a", "--document", "b"
    )
    assert (code, out) == (0, "2 answers forgotten\n")
    assert shelf.asked == [pb.InvalidateRequest(tag="hr", model="small", collection="docs", document_ids=["a", "b"])]
    _, out, _ = await run("invalidate", "--all", "--json")
    assert json.loads(out) == {"invalidated": 2}
    assert shelf.asked[1] == pb.InvalidateRequest()


@pytest.mark.parametrize(
    ("words", "why"),
    [((), "say which answers"), (("--all", "--tag", "hr"), "--all alone"), (("--document", "a"), "needs --collection")],
)
async def test_nothing_is_forgotten_by_mistake(run, shelf, words, why):
    code, _, err = await run("invalidate", *words)
    assert code == 2
    assert why in err
    assert shelf.asked == []


async def test_programs_forget_by_the_same_names(endpoint, shelf):
    async with WeftClient(endpoint, "k") as client:
        assert await client.forget_answers(tag="hr", collection="docs", document_ids=["a"]) == 2
    assert shelf.asked == [pb.InvalidateRequest(tag="hr", collection="docs", document_ids=["a"])]
