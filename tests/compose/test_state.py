"""mesh.json: what one launcher leaves for the next, and for every command."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.compose.conftest import Weft

from weft_compose.errors import StateUnusable
from weft_compose.state import Mesh, Process, RunningPart, StateFolder


def test_the_record_is_read_as_it_was_written(tmp_path: Path):
    part = RunningPart("gateway-2", "127.0.0.1:7700", Process(7, 1.5), "logs/gateway-2.log")
    written = Mesh("127.0.0.1:7600", "token", "key", ("127.0.0.1:7600", "127.0.0.1:7700"), parts=(part,))
    state = StateFolder(tmp_path)
    state.write(written)
    assert state.read() == written


def test_a_record_from_before_replicas_and_webhooks_still_opens_its_mesh():
    old = '{"endpoint": "127.0.0.1:7600", "operator_token": "token", "launcher": null, "parts": []}'
    assert Mesh.read(json.loads(old)) == Mesh("127.0.0.1:7600", "token")


def test_a_replica_is_of_the_kind_before_its_number():
    kinds = [RunningPart(name, "", Process(1, 1.0), "").kind for name in ("nats", "nats-2", "gateway-12")]
    assert kinds == ["nats", "nats", "gateway"]


@pytest.mark.parametrize(
    "command", ["up", "down", "status", "demo", "jobs", "models", "usage", "ask hello", "keys list"]
)
async def test_a_damaged_record_is_told_in_one_line_by_every_command(weft: Weft, command: str):
    weft.state.mkdir()
    whole = Mesh("127.0.0.1:1", "token", launcher=Process(1, 1.0)).to_json()
    (weft.state / "mesh.json").write_text(whole[: len(whole) // 2])
    code, said = await weft.run(*command.split())
    assert (code, said.count("\n")) == (1, 1)
    assert f"{weft.state}/mesh.json cannot be used: it is cut short or damaged" in said
    assert "remove the file" in said


@pytest.mark.parametrize(
    "written", ["[]", "{}", '{"endpoint": 5}', Mesh("e", "t").to_json().replace("null", '{"pid": -1, "created": 1}')]
)
def test_what_no_launcher_wrote_is_refused(written: str, tmp_path: Path):
    (tmp_path / "mesh.json").write_text(written)
    with pytest.raises(StateUnusable, match="remove the file, and `weft up` makes new keys"):
        StateFolder(tmp_path).read()


async def test_a_damaged_record_hinders_nobody_who_names_a_mesh_elsewhere(weft: Weft):
    weft.state.mkdir()
    (weft.state / "mesh.json").write_text("{")
    code, said = await weft.run("--endpoint", "127.0.0.1:9", "--key", "k", "models")
    assert code == 3
    assert "mesh.json" not in said


@pytest.fixture
def stranger() -> Iterator[psutil.Process]:
    """A process that has nothing to do with any mesh."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield psutil.Process(process.pid)
        process.kill()


@pytest.fixture
def stale(weft: Weft, stranger: psutil.Process) -> StateFolder:
    """A state folder whose record names processes that are gone, and whose pids belong to somebody else by now."""
    reused = Process(stranger.pid, stranger.create_time() - 60)
    part = RunningPart("gateway", "127.0.0.1:9", reused, str(weft.state / "logs" / "gateway.log"))
    state = StateFolder(weft.state)
    weft.state.mkdir()
    state.write(Mesh("127.0.0.1:9", "token", launcher=reused, parts=(part,)))
    return state


@pytest.mark.parametrize("command", ["down", "status"])
async def test_pids_that_belong_to_others_by_now_are_no_mesh(weft, stale, stranger, command: str):
    code, said = await weft.run(command)
    assert code == 1
    assert "no mesh runs from" in said
    assert stranger.is_running()
    assert stranger.status() != psutil.STATUS_ZOMBIE


async def test_a_new_mesh_leaves_pids_of_others_alone(weft, stale, stranger):
    async with weft.up() as mesh:
        await mesh.until("the mesh is up")
    assert stranger.is_running()
    assert stranger.status() != psutil.STATUS_ZOMBIE
