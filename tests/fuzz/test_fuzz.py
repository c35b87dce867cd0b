"""Whatever is sent to any RPC of any service, nothing breaks, nothing leaks, nothing hangs, nothing is kept."""

from collections import Counter

import pytest
import pytest_asyncio
from tests.fuzz.run import MEMORY_LEFT_MB, Report, run, shots
from tests.fuzz.targets import World, targets

CALLS, SEED = 1_000, 1

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return await run(CALLS, SEED, tmp_path_factory.mktemp("fuzz"), lambda _line: None)


async def test_no_answer_is_a_crash_a_leak_or_late(report: Report) -> None:
    shown = "\n".join(map(str, report.findings[:20]))
    assert not report.findings, f"{len(report.findings)} answers went wrong:\n{shown}"


async def test_the_gateways_memory_comes_back(report: Report) -> None:
    assert report.grown_mb["gateway"] < MEMORY_LEFT_MB


async def test_many_calls_reach_what_is_behind_the_checks(report: Report) -> None:
    """A fuzz that is refused at the gateway tests the gateway alone."""
    codes = Counter(outcome.code for outcome in report.outcomes)
    assert codes["OK"] + codes["NOT_FOUND"] > CALLS / 10
    assert codes["INVALID_ARGUMENT"] > CALLS / 10


async def test_every_rpc_is_called_in_every_way() -> None:
    world = World("c", "d", ("j",), "i", "k")
    drawn = {(shot.target.path, shot.target.part, shot.way) for shot in shots(world, 20_000, SEED)}
    ways = {way for _, _, way in drawn}
    assert len(ways) == 5
    assert {(path, part) for path, part, _ in drawn} == {(target.path, target.part) for target in targets(world)}
    assert len(drawn) == len(targets(world)) * len(ways)


async def test_a_seed_is_always_the_same() -> None:
    world = World("c", "d", ("j",), "i", "k")
    once, again = (list(shots(world, 500, SEED)) for _ in range(2))
    assert [shot.request for shot in once] == [shot.request for shot in again]
