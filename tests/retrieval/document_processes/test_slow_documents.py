"""While documents are read that take all they may, others search and ingest as if they were alone."""

import asyncio
import statistics
from typing import Any

import psutil
import pytest
from prometheus_client import REGISTRY
from tests.retrieval.conftest import Client
from tests.support.waiting import until

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import WeftError
from weft_retrieval.document_processes.fork_client import ForkServerCommand, fork_server

SLOW = b"Seven ferries leave the harbour before noon, and none of them comes back in time. \n\n" * 200_000
"""Prose that takes any machine seconds of CPU time to read."""
EVER = {"document_cpu_s": 600.0}
FORK_SERVER = "weft_retrieval.document_processes.fork_server"


@pytest.fixture
def forking() -> ForkServerCommand:
    """The command itself: these tests look at its processes."""
    return fork_server


def in_process() -> float:
    return REGISTRY.get_sample_value("weft_retrieval_documents_in_process") or 0.0


def cut_short(why: str) -> float:
    return REGISTRY.get_sample_value("weft_retrieval_documents_cut_short_total", {"why": why}) or 0.0


def processes() -> list[psutil.Process]:
    """The fork server of this process and what it has forked; a mesh that other tests share has its own."""
    server = next(child for child in psutil.Process().children() if FORK_SERVER in child.cmdline())
    return [server, *server.children()]


def slow(client: Client, count: int) -> "list[asyncio.Task[Any]]":
    client.limit_s = 100
    return [asyncio.create_task(client.ingest(SLOW, f"slow{number}")) for number in range(count)]


async def left(readings: "list[asyncio.Task[Any]]") -> None:
    for reading in readings:
        reading.cancel()
    await asyncio.gather(*readings, return_exceptions=True)


async def test_a_document_beyond_its_limit_is_refused_with_what_to_do(running, postgres_url):
    before = cut_short("time")
    async with running(postgres_url, document_cpu_s=1, document_cpu_s_per_mib=0) as client_of:
        client = client_of("acme")
        await client.create()
        with pytest.raises(WeftError) as refusal:
            await client.ingest(SLOW, "slow")
        assert refusal.value.reason == error_pb2.ERROR_REASON_UNREADABLE_DOCUMENT
        assert "1 s of CPU time" in refusal.value.message
        assert "WEFT_RETRIEVAL_DOCUMENT_CPU_S" in refusal.value.message
        await client.ingest("Ferries leave at seven.", "small")
        assert [hit.document_id for hit in (await client.search("ferries")).hits] == ["small"]
    assert cut_short("time") == before + 1


async def test_slow_documents_of_one_tenant_hold_up_nobody_else(running, postgres_url):
    async with running(postgres_url, **EVER) as client_of:
        hostile, bystander = client_of("hostile"), client_of("bystander")
        await hostile.create()
        await bystander.create()
        readings = slow(hostile, 6)
        await until("a document is processed", lambda: in_process() > 0, within_s=60)
        await bystander.ingest("Cranes cost two marks.", "small")
        assert [hit.document_id for hit in (await bystander.search("cranes")).hits] == ["small"]
        assert not any(reading.done() for reading in readings)
        await left(readings)


async def test_documents_whose_callers_left_are_given_up_at_once(running, postgres_url):
    before = cut_short("left")
    async with running(postgres_url, **EVER) as client_of:
        client = client_of("acme")
        await client.create()
        readings = slow(client, 6)
        await until("a document is processed", lambda: in_process() > 0, within_s=60)
        reading = processes()
        await left(readings)
        await until("no document is processed", lambda: in_process() == 0, within_s=60)
        await client.ingest("Cranes cost two marks.", "small")
        await until(
            "only the fork server runs", lambda: sum(process.is_running() for process in reading) == 1, within_s=60
        )
    assert cut_short("left") > before


async def test_searches_take_no_longer_while_documents_are_read(running, postgres_url):
    """A third of the CPU goes to documents at most: medians within a small factor, and never for a document's time."""
    async with running(postgres_url, **EVER) as client_of:
        hostile, bystander = client_of("hostile"), client_of("bystander")
        await hostile.create()
        await bystander.create()
        for number in range(20):
            await bystander.ingest(f"Crane number {number} costs two marks.", f"crane{number}")
        ratios = []
        while not ratios or (min(ratios) >= 5 and len(ratios) < 5):  # what else the machine does is not ours
            alone = await search_times(bystander)
            readings = slow(hostile, 6)
            await until("a document is processed", lambda: in_process() > 0, within_s=60)
            meanwhile = await search_times(bystander)
            assert not any(reading.done() for reading in readings)
            await left(readings)
            ratios.append(statistics.median(meanwhile) / statistics.median(alone))
    assert min(ratios) < 5


async def search_times(client: Client) -> list[float]:
    loop = asyncio.get_running_loop()
    times = []
    for _ in range(40):
        began = loop.time()
        assert (await client.search("what does a crane cost")).hits
        times.append(loop.time() - began)
    return times
