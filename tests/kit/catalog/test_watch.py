"""The last good catalog outlives a broken file, also over a restart; and what is wrong is told."""

import asyncio
import stat
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.support.waiting import until

from weft_kit.catalog.catalog import Catalog, CatalogError
from weft_kit.catalog.watch import WatchedCatalog, last_good_beside

GOOD = """
[providers.local]
kind = "inference"
target = "127.0.0.1:7604"

[models.default]
routes = [{ provider = "local" }]
"""
BROKEN = GOOD.replace('"local" }', '"lokal" }')


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weft.toml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "state" / "router.toml"


async def opened(file: Path, kept: Path) -> WatchedCatalog:
    return await WatchedCatalog.opened(file, kept, environ={})


async def test_a_good_catalog_is_kept_word_for_word_for_its_owner_alone(file, kept) -> None:
    watched = await opened(file, kept)
    status = watched.status(with_problems=True)
    assert kept.read_text() == GOOD
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert status.sha256 == sha256(GOOD.encode()).hexdigest()
    assert (status.problem_count, list(status.problems), status.keep_error) == (0, [], "")
    assert not status.is_last_good
    assert not status.HasField("refuse_time")


async def test_a_broken_file_does_not_kill_the_next_start(file, kept) -> None:
    await opened(file, kept)
    file.write_text(BROKEN)
    with capture_logs() as logs:
        watched = await opened(file, kept)
    status = watched.status(with_problems=True)
    assert list(watched.current.models) == ["default"]
    assert status.is_last_good
    assert (status.problem_count, status.HasField("refuse_time")) == (1, True)
    assert status.problems[0].startswith(f'{file}:7: models.default.routes[0].provider: "lokal" is not a provider')
    assert [log["log_level"] for log in logs] == ["error"]
    assert list(logs[0]["problems"]) == list(status.problems)
    assert kept.read_text() == GOOD


async def test_a_file_that_is_gone_does_not_kill_the_next_start_either(file, kept) -> None:
    await opened(file, kept)
    file.unlink()
    assert (await opened(file, kept)).status(with_problems=False).is_last_good


async def test_without_a_last_good_one_a_broken_file_is_refused_with_its_own_mistakes(file, kept) -> None:
    file.write_text(BROKEN)
    with pytest.raises(CatalogError, match='"lokal" is not a provider'):
        await opened(file, kept)


async def test_a_last_good_one_that_is_good_no_more_hides_no_mistake_of_the_file(file, kept) -> None:
    await opened(file, kept)
    kept.write_text("providers = 5")
    file.write_text(BROKEN)
    with pytest.raises(CatalogError, match=r"weft\.toml:7: .*lokal"):
        await opened(file, kept)


async def test_what_the_service_itself_cannot_use_falls_back_as_well(file, kept) -> None:
    await opened(file, kept)
    file.write_text(GOOD.replace("default", "newest"))

    async def take(catalog: Catalog) -> None:
        if "newest" in catalog.models:
            raise CatalogError(file, ["providers.local: holds no key"])

    watched = await WatchedCatalog.opened(file, kept, take, {})
    assert list(watched.current.models) == ["default"]
    assert list(watched.status(with_problems=True).problems) == [f"{file}:2: providers.local: holds no key"]


@asynccontextmanager
async def followed(watched: WatchedCatalog):
    """Follows the file; gives an event that is set with each catalog that is taken."""
    taken = asyncio.Event()

    async def take(_: Catalog) -> None:
        taken.set()

    async with watched.following(take, poll_s=0.01):
        yield taken


async def test_a_mended_file_takes_over_from_the_last_good_one_and_is_kept(file, kept) -> None:
    await opened(file, kept)
    file.write_text(BROKEN)
    watched = await opened(file, kept)
    mended = GOOD.replace("default", "mended")
    async with followed(watched) as taken, asyncio.timeout(20):
        file.write_text(mended)
        await taken.wait()
        while kept.read_text() != mended:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    status = watched.status(with_problems=True)
    assert list(watched.current.models) == ["mended"]
    assert not status.is_last_good
    assert status.problem_count == 0


async def test_a_reload_that_is_refused_is_told_and_keeps_nothing(file, kept) -> None:
    watched = await opened(file, kept)
    async with followed(watched):
        file.write_text(BROKEN)
        await until("it is told", lambda: watched.status(with_problems=False).problem_count)
    status = watched.status(with_problems=True)
    assert not status.is_last_good
    assert status.sha256 == sha256(GOOD.encode()).hexdigest()
    assert "lokal" in status.problems[0]
    assert kept.read_text() == GOOD


async def test_a_tenant_is_told_that_there_are_mistakes_and_not_which(file, kept) -> None:
    await opened(file, kept)
    file.write_text(BROKEN)
    status = (await opened(file, kept)).status(with_problems=False)
    assert status.problem_count == 1
    assert list(status.problems) == []


async def test_a_place_that_cannot_be_written_is_a_warning_and_no_failure(file, tmp_path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    with capture_logs() as logs:
        watched = await opened(file, tmp_path / "state" / "router.toml")
    assert list(watched.current.models) == ["default"]
    assert "name another CATALOG_LAST_GOOD" in watched.status(with_problems=True).keep_error
    assert [log["log_level"] for log in logs] == ["warning"]


def test_services_keep_theirs_apart_beside_the_file() -> None:
    assert last_good_beside(Path("/etc/weft/weft.toml"), "router") == Path("/etc/weft/weft.toml.router-last-good")
