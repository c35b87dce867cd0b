"""A disk that is full, and one that is too small: what nats-server makes of them, and what the log does then."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nats.errors import Error as NatsError
from structlog.testing import capture_logs
from tests.support.waiting import until

from weft.job.v1 import event_pb2, job_pb2
from weft_compose.servers import NatsServer, serving
from weft_kit.joblog import JobLog, LogConfig, connect, new_job_id
from weft_kit.joblog.settings import LEAST_BYTES
from weft_kit.joblog.stream.stream import NoRoom
from weft_kit.rpc.errors import DependencyDown

MIB = 1024**2
JOBS = LogConfig(accept_timeout_s=3.0)
REMEDY = "free space on it, then restart nats-server"
INGESTS = LogConfig(stream="INGESTS", prefix="ingests", live_prefix="ingests-live", max_bytes=1024**3)

Disk = Callable[[int], Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Makes disks of so many MiB."""
    mounted: list[Path] = []

    def make(size_mib: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(folder)]
        if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("needs root, and the right to mount")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def nats_on(folder: Path) -> Any:
    return serving(lambda port: NatsServer(folder / "nats", port, folder.with_suffix(".log")))


@asynccontextmanager
async def watched(url: str, config: LogConfig = JOBS) -> Any:
    async with connect(url, "test") as client:
        log = JobLog(client, config)
        async with log.watched():
            yield log


async def size_of(log: JobLog) -> int:
    return (await log.client.jetstream().stream_info(log.config.stream)).config.max_bytes or 0


async def is_usable(log: JobLog) -> bool:
    with suppress(DependencyDown):
        await log.check()
        return True
    return False


async def stores_nothing(log: JobLog) -> bool:
    try:
        await log.check()
    except DependencyDown as error:
        return REMEDY in error.message
    return False


async def has_size(log: JobLog, size: int) -> bool:
    with suppress(NatsError):
        return await size_of(log) == size
    return False


def grow(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=1g", str(folder)], check=True)


def fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        free = os.statvfs(folder)
        file.write(bytes(free.f_bavail * free.f_frsize))
    return ballast


async def accept(log: JobLog, label: str = "") -> None:
    envelope = event_pb2.Accepted(tenant="acme", request=job_pb2.GenerationRequest(model=label))
    await log.accept(new_job_id("acme", job_pb2.PRIORITY_NORMAL), envelope)


async def test_a_full_disk_says_what_to_do_and_is_over_once_that_is_done(disk: Disk) -> None:
    folder = disk(64)
    with nats_on(folder) as nats:
        async with watched(nats.url, replace(JOBS, max_bytes=32 * MIB)) as log:
            await accept(log)
            ballast = fill(folder)
            with pytest.raises(DependencyDown):
                for _ in range(100):
                    await accept(log, "x" * 100_000)
            assert await until("it says so", lambda: stores_nothing(log), 20)
            loop = asyncio.get_running_loop()
            began = loop.time()
            with pytest.raises(DependencyDown, match=REMEDY):
                await accept(log)
            assert loop.time() - began < JOBS.accept_timeout_s / 2  # waiting would not help

            ballast.unlink()
            with pytest.raises(DependencyDown, match="restart nats-server"):
                await accept(log)
            nats.stop()
            nats.start()
            nats.wait_ready()
            assert await until("it is usable", lambda: is_usable(log), 30)
            await accept(log)


async def test_the_log_takes_what_room_there_is_and_leaves_some(disk: Disk) -> None:
    with capture_logs() as lines, nats_on(disk(512)) as nats:
        async with watched(nats.url) as jobs, watched(nats.url, INGESTS) as ingests:
            # nats-server reserves three quarters of what is free, and the log takes three quarters of that.
            free = 512 * MIB * 3 // 4
            assert 0.6 * free < await size_of(jobs) <= 0.75 * free
            assert LEAST_BYTES <= await size_of(ingests) < free - await size_of(jobs)
            await accept(jobs)
            assert await jobs.fullness() > 0
    told = [line for line in lines if line["event"].startswith("the log is smaller than configured")]
    assert [(line["stream"], line["max_bytes"]) for line in told] == [
        ("JOBS", JOBS.max_bytes),
        ("INGESTS", INGESTS.max_bytes),
    ]


async def test_a_log_that_had_too_little_room_grows_when_there_is_more(disk: Disk) -> None:
    folder = disk(256)
    wanted = replace(JOBS, max_bytes=300 * MIB)
    with nats_on(folder) as nats:
        async with watched(nats.url, wanted) as log:
            assert await size_of(log) < 200 * MIB
            await asyncio.to_thread(grow, folder)
            nats.stop()
            nats.start()
            nats.wait_ready()
            assert await until("the log has grown", lambda: has_size(log, wanted.max_bytes), 30)


async def test_a_log_that_is_there_outlives_a_restart_without_room(disk: Disk) -> None:
    folder = disk(128)
    config = replace(JOBS, max_bytes=64 * MIB)
    with nats_on(folder) as nats:
        async with watched(nats.url, config) as log:
            await accept(log)
        with (folder / "ballast").open("wb") as file:
            file.write(bytes(100 * MIB))
        nats.stop()
        nats.start()
        nats.wait_ready()
        async with watched(nats.url, config) as log:
            assert await size_of(log) == config.max_bytes
            await accept(log)
        # What the server cannot change for lack of room stays as it is.
        async with watched(nats.url, replace(config, retention_s=2 * config.retention_s)) as log:
            await accept(log)


async def test_less_than_the_smallest_log_is_said_and_nothing_is_made(disk: Disk) -> None:
    with nats_on(disk(16)) as nats:
        async with connect(nats.url, "test") as client:
            with pytest.raises(NoRoom, match="16 MiB of disk to reserve for the stream JOBS"):
                await JobLog(client, JOBS).ensure()
            assert await client.jetstream().streams_info() == []
