"""What the parts wrote stays readable over the next runs, and does not grow for ever."""

import asyncio
from pathlib import Path

import pytest
from tests.compose.conftest import Weft

from weft_compose.run_logs import RUNS_KEPT, Followed, RunLogs


def ran(logs: RunLogs, **written: str) -> None:
    """Has a mesh run that writes these logs."""
    logs.begin_run()
    for part, text in written.items():
        logs.of(part).parent.mkdir(parents=True, exist_ok=True)
        logs.of(part).write_text(text)


def test_the_logs_of_the_last_five_runs_are_kept_besides_those_of_this_one(tmp_path: Path):
    logs = RunLogs(tmp_path / "logs")
    for run in range(8):
        ran(logs, router=f"run {run}")
    assert logs.runs() == list(range(RUNS_KEPT + 1))
    assert [logs.of("router", run).read_text() for run in logs.runs()] == [f"run {run}" for run in (7, 6, 5, 4, 3, 2)]


def test_a_run_holds_the_logs_of_its_own_parts_alone(tmp_path: Path):
    logs = RunLogs(tmp_path / "logs")
    ran(logs, router="a", nats="b")
    ran(logs, router="c")
    assert (logs.parts(), logs.parts(1)) == (["router"], ["nats", "router"])


def test_a_run_that_wrote_nothing_pushes_no_other_out(tmp_path: Path):
    logs = RunLogs(tmp_path / "logs")
    ran(logs, router="a")
    for _ in range(10):
        logs.begin_run()
    assert logs.of("router", 1).read_text() == "a"


def test_of_a_long_log_the_end_is_kept(tmp_path: Path):
    logs = RunLogs(tmp_path / "logs")
    ran(logs, router="x" * (20 << 20) + "the end")
    logs.begin_run()
    assert logs.of("router", 1).stat().st_size == 16 << 20
    assert logs.of("router", 1).read_text().endswith("the end")


def test_a_log_is_followed_by_whole_lines_and_into_the_next_run(tmp_path: Path):
    log = tmp_path / "router.log"
    log.write_text("before\n")
    followed = Followed(log)
    with log.open("a") as file:
        file.write("one\ntw")
    assert list(followed.new_lines()) == ["one"]
    with log.open("a") as file:
        file.write("o\n")
    assert list(followed.new_lines()) == ["two"]
    log.unlink()
    assert list(followed.new_lines()) == []
    log.write_text("next\n")
    assert list(followed.new_lines()) == ["next"]


@pytest.fixture
def written(weft: Weft) -> RunLogs:
    logs = RunLogs(weft.state / "logs")
    ran(logs, router="an old line\n")
    ran(logs, router="one\ntwo\n", nats="three\n")
    return logs


async def test_the_logs_of_all_parts_are_shown_each_line_with_its_part(weft: Weft, written: RunLogs):
    assert await weft.run("logs") == (0, "nats   | three\nrouter | one\nrouter | two\n")


async def test_one_part_of_one_run_can_be_asked_for(weft: Weft, written: RunLogs):
    assert await weft.run("logs", "router", "--run", "1") == (0, "an old line\n")
    assert await weft.run("logs", "router", "--lines", "1") == (0, "two\n")


async def test_what_there_is_no_log_of_is_told_with_what_there_is(weft: Weft, written: RunLogs):
    code, said = await weft.run("logs", "gateway")
    assert (code, said) == (1, "✗ no log of gateway in run 0: there are nats, router; runs: 0, 1\n")
    code, said = await weft.run("logs", "--run", "4")
    assert (code, said) == (1, "✗ no logs of run 4; runs: 0, 1\n")


async def test_a_followed_log_goes_on(weft: Weft, written: RunLogs):
    process = await weft.start("logs", "router", "--follow")
    async with asyncio.timeout(30):
        assert [await process.stdout.readline() for _ in range(2)] == [b"one\n", b"two\n"]
        with written.of("router").open("a") as log:
            log.write("three\n")
        assert await process.stdout.readline() == b"three\n"
    process.terminate()
    await process.communicate()
