"""A document that costs too much, breaks its reader or is given up takes its own process with it, and nothing else."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests.support.waiting import until

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import CannotStart, Invalid, Overloaded
from weft_retrieval.chunking.chunking import Chunking
from weft_retrieval.document_processes import priority
from weft_retrieval.document_processes.messages import ReadOrder
from weft_retrieval.document_processes.pool import READING, DocumentProcesses, ProcessLimits, ReadingBroke
from weft_retrieval.document_processes.priority import session_niceness

STAND_IN = Path(__file__).with_name("reading_stand_in.py")
COMMAND = [sys.executable, str(STAND_IN)]
MIB = 1024 * 1024
LIMITS = ProcessLimits(
    processes=4,
    cpu_s=600,
    cpu_s_per_mib=0,
    memory_bytes=256 * MIB,
    result_bytes=MIB,
    waiting_bytes=MIB,
)
ORDER = ReadOrder("d", "A title", "", None, Chunking(), "english")


@pytest.fixture
async def processes() -> AsyncIterator[DocumentProcesses]:
    async with DocumentProcesses(COMMAND, LIMITS) as processes:
        yield processes


async def said(processes: DocumentProcesses, content: str, tenant: str = "acme") -> str:
    read = await processes.read(tenant, ORDER, content.encode())
    return read.chunks[0].chunk.text


def server() -> psutil.Process:
    (found,) = (child for child in psutil.Process().children() if str(STAND_IN) in child.cmdline())
    return found


async def until_reading(count: int) -> list[psutil.Process]:
    """Returns all processes once so many documents are being read."""
    async with asyncio.timeout(60):
        while READING._value.get() != count or len(server().children()) < count:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)
    return server().children()


async def until_gone(*gone: psutil.Process) -> None:
    async with asyncio.timeout(60):
        while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in gone):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def refused(processes: DocumentProcesses, content: str) -> str:
    with pytest.raises(Invalid) as refusal:
        await said(processes, content)
    assert refusal.value.reason == error_pb2.ERROR_REASON_UNREADABLE_DOCUMENT
    return refusal.value.message


async def test_a_document_comes_back_read(processes):
    read = await processes.read("acme", ORDER, b"words")
    assert (read.title, read.content_type, read.chunks[0].chunk.text) == ("A title", "text", "words")


async def test_a_document_that_never_ends_is_ended_at_its_limit():
    async with DocumentProcesses(COMMAND, replace(LIMITS, cpu_s=1)) as processes:
        message = await refused(processes, "compute")
        assert "more than 1 s of CPU time" in message
        assert "WEFT_RETRIEVAL_DOCUMENT_CPU_S" in message
        assert await said(processes, "next") == "next"


async def test_a_document_that_waits_for_ever_is_ended_by_the_clock():
    async with DocumentProcesses(COMMAND, replace(LIMITS, cpu_s=0.1)) as processes:
        reading = asyncio.create_task(refused(processes, "wait"))
        running = await until_reading(1)
        assert "CPU time" in await reading
        await until_gone(*running)


def test_a_larger_document_may_take_longer():
    limits = replace(LIMITS, cpu_s=2, cpu_s_per_mib=3)
    assert [limits.cpu_s_of(size) for size in (0, MIB, 10 * MIB)] == [2, 5, 32]


async def test_a_document_that_fills_the_memory_is_ended_at_its_limit(processes):
    message = await refused(processes, "allocate")
    assert "more than 256 MiB of memory" in message
    assert "WEFT_RETRIEVAL_DOCUMENT_MEMORY_BYTES" in message


async def test_a_document_that_crashes_its_reader_costs_itself_alone(processes):
    waiting = asyncio.create_task(said(processes, "wait", "other"))
    (beside,) = await until_reading(1)
    assert "crashed (SIGSEGV)" in await refused(processes, "crash")
    assert "code 5" in await refused(processes, "exit 5")
    assert beside.is_running()
    assert not waiting.done()
    assert await said(processes, "next") == "next"
    waiting.cancel()


async def test_a_bug_of_ours_is_no_fault_of_the_document(processes):
    with pytest.raises(ReadingBroke, match="a bug of ours"):
        await said(processes, "break")


@pytest.mark.parametrize(
    "said_instead",
    ["say c 14", "say f 14", "say e 14", "say x 14", "say c 4294967295", "repeat 5000"],
)
async def test_what_a_process_says_is_bounded_and_never_run(processes, said_instead):
    await refused(processes, said_instead)
    assert await said(processes, "next") == "next"


async def test_a_process_knows_no_secret_and_holds_nothing_of_the_service(monkeypatch, tmp_path):
    monkeypatch.setenv("WEFT_RETRIEVAL_POSTGRES_URL", "postgresql://user:secret@host/weft")
    with (tmp_path / "held").open("w") as held:
        os.set_inheritable(held.fileno(), True)
        async with DocumentProcesses(COMMAND, LIMITS) as processes:
            seen = await said(processes, "look")
    assert "WEFT" not in seen
    assert "[0, 1, 2, 3]" in seen


async def test_a_process_leaves_cpu_time_to_the_service(processes):
    waiting = asyncio.create_task(said(processes, "wait"))
    (running,) = await until_reading(1)
    assert {server().nice(), running.nice()} == {min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)}
    waiting.cancel()


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="the kernel has no such policy")
async def test_where_no_niceness_is_left_a_process_runs_when_nothing_else_wants_to():
    async with DocumentProcesses(["nice", "-n", "19", *COMMAND], LIMITS) as processes:
        waiting = asyncio.create_task(said(processes, "wait"))
        (running,) = await until_reading(1)
        assert {os.sched_getscheduler(process.pid) for process in (server(), running)} == {os.SCHED_IDLE}
        waiting.cancel()


async def test_the_session_of_the_processes_is_nicer_than_the_services(processes):
    waiting = asyncio.create_task(said(processes, "wait"))
    (running,) = await until_reading(1)
    if (niceness := session_niceness(running.pid)) is None:
        pytest.skip("the kernel does not share CPU time out by session")
    assert niceness == min((session_niceness(os.getpid()) or 0) + 10, 19)
    waiting.cancel()


@pytest.mark.parametrize(("said", "niceness"), [("/autogroup-55 nice -3\n", -3), ("", None), (None, None)])
def test_a_kernel_may_keep_no_niceness_for_a_session(tmp_path, monkeypatch, said, niceness):
    monkeypatch.setattr(priority, "_SESSION", str(tmp_path / "{}"))
    if said is not None:
        (tmp_path / "1").write_text(said)
    assert priority.session_niceness(1) == niceness


async def test_a_process_writes_no_file(processes, tmp_path):
    with pytest.raises(ReadingBroke, match="File too large"):
        await said(processes, f"write {tmp_path / 'written'}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may always start processes")
async def test_a_process_starts_no_other(processes):
    with pytest.raises(ReadingBroke, match="BlockingIOError"):
        await said(processes, "fork")


async def test_a_process_is_killed_when_its_caller_leaves(processes):
    reading = asyncio.create_task(said(processes, "compute"))
    running = await until_reading(1)
    reading.cancel()
    await until_gone(*running)
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_small_documents_of_one_tenant_share_a_process_and_those_of_two_do_not(processes):
    assert await said(processes, "who") == await said(processes, "who")
    assert await said(processes, "who", "other") != await said(processes, "who")


async def test_a_process_that_read_a_large_document_reads_no_other(processes):
    first = await said(processes, "who")
    await said(processes, "x" * (300 * 1024))
    assert await said(processes, "who") != first


async def test_a_document_is_not_blamed_for_what_its_process_read_before(processes):
    await said(processes, "who")
    for child in server().children():
        child.kill()
    assert await said(processes, "next") == "next"


async def test_every_document_has_its_own_time():
    async with DocumentProcesses(COMMAND, replace(LIMITS, cpu_s=2)) as processes:
        first = await said(processes, "who")
        for _ in range(8):
            await said(processes, "spend 0.3")
        assert await said(processes, "who") == first
        assert "2 s of CPU time" in await refused(processes, "compute")


async def test_callers_that_left_keep_no_place(processes):
    for _ in range(3):
        readings = [asyncio.create_task(said(processes, "compute")) for _ in range(6)]
        await until_reading(2)
        for reading in readings:
            reading.cancel()
        await asyncio.gather(*readings, return_exceptions=True)
    assert await said(processes, "next") == "next"


async def test_slow_documents_of_one_tenant_leave_places_for_others(processes):
    slow = [asyncio.create_task(said(processes, "compute", "slow")) for _ in range(6)]
    await until_reading(2)
    assert await said(processes, "small", "other") == "small"
    slow += [asyncio.create_task(said(processes, "compute", "slow too")) for _ in range(6)]
    await until_reading(3)
    assert await said(processes, "small", "other") == "small"
    assert not any(reading.done() for reading in slow)
    for reading in slow:
        reading.cancel()


async def test_what_waits_is_bounded_and_a_tenant_alone_gets_half_of_that(processes):
    slow = [asyncio.create_task(said(processes, "compute", "slow")) for _ in range(2)]
    await until_reading(2)
    large = "x" * (MIB // 4)
    slow += [asyncio.create_task(said(processes, large, "slow")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="retry"):
        await said(processes, large, "slow")
    assert await said(processes, large, "other") == large
    for reading in slow:
        reading.cancel()


async def test_a_fork_server_that_is_lost_is_started_again(processes):
    reading = asyncio.create_task(said(processes, "compute"))
    running = await until_reading(1)
    lost = server()
    lost.kill()
    with pytest.raises(Overloaded, match="retry"):
        await reading
    await until_gone(*running)
    await until("the lost server is waited for, and no zombie", lambda: not lost.is_running())
    assert await said(processes, "next") == "next"


async def test_leaving_ends_every_process():
    async with DocumentProcesses(COMMAND, LIMITS) as processes:
        reading = asyncio.create_task(said(processes, "compute"))
        running = [*await until_reading(1), server()]
    await until_gone(*running)
    with pytest.raises(Overloaded):
        await reading


async def test_processes_die_with_a_service_that_is_killed():
    program = f"""
import asyncio
from tests.retrieval.document_processes.test_document_processes import COMMAND, LIMITS, said
from weft_retrieval.document_processes.pool import DocumentProcesses
async def main():
    async with DocumentProcesses({COMMAND!r}, LIMITS) as processes:
        await said(processes, "compute")
asyncio.run(main())
"""
    root = Path(__file__).parents[3]
    service = subprocess.Popen([sys.executable, "-c", program], cwd=root)  # noqa: ASYNC220
    try:
        async with asyncio.timeout(60):
            while len(below := psutil.Process(service.pid).children(recursive=True)) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        service.send_signal(signal.SIGKILL)
        service.wait()
    await until_gone(*below)


async def test_sigterm_meant_for_the_service_leaves_running_documents_alone(processes):
    reading = asyncio.create_task(said(processes, "wait"))
    (running,) = await until_reading(1)
    for process in (running, server()):
        process.terminate()
    assert await said(processes, "next") == "next"
    assert running.is_running()
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading


async def test_a_service_that_cannot_start_processes_says_so():
    processes = DocumentProcesses([sys.executable, "-c", "raise SystemExit('no tokenizer')"], LIMITS)
    with pytest.raises(CannotStart, match="documents"):
        await processes.__aenter__()
