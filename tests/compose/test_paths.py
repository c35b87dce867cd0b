"""Paths as people give them: relative, with dots, from home, with spaces, and very long."""

import os
from pathlib import Path

import pytest
from tests.compose.conftest import Weft

from weft_compose.errors import StateUnusable
from weft_compose.servers import EmbeddedServer, NatsServer, PostgresServer, ValkeyServer, serving
from weft_compose.state import StateFolder
from weft_kit.config.settings import Settings

SERVERS = [NatsServer, PostgresServer, ValkeyServer]
# Longer than the path of a Unix socket may be, with what a server would add to it.
LONG = f"{'d' * 200}/{'e' * 180}"


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("name", ["here/../there", 'it\'s a "folder" $x #1, Zoë', LONG], ids=["dots", "signs", "long"])
def test_a_server_works_in_any_folder(kind: type[EmbeddedServer], name: str, tmp_path: Path):
    (tmp_path / "here").mkdir()
    with serving(lambda port: kind(tmp_path / name / "data", port)) as server:
        assert server.child.exit_code is None


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_works_behind_a_link(kind: type[EmbeddedServer], tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with serving(lambda port: kind(tmp_path / "link" / "data", port)) as server:
        assert server.child.exit_code is None


async def test_a_mesh_comes_up_from_a_state_folder_given_relative_to_here(tmp_path: Path):
    (tmp_path / "here").mkdir()
    weft = Weft(Path("../the state"), folder=tmp_path / "here")
    async with weft.up() as mesh:
        await mesh.until("the mesh is up")
        assert (tmp_path / "the state" / "mesh.json").exists()
        code, said = await weft.run("jobs", "--json")
        assert (code, said.strip()) == (0, "[]")


async def test_every_path_of_the_command_line_may_begin_at_home(tmp_path: Path):
    home = {"HOME": str(tmp_path)}
    weft = Weft(Path("~/state"), folder=tmp_path)
    code, said = await weft.run("status", env=home)
    assert (code, str(tmp_path / "state") in said) == (1, True)
    assert not (tmp_path / "~").exists()

    (tmp_path / "weft.toml").write_text("")
    code, said = await weft.run("up", "--catalog", "~/weft.toml", env=home)
    assert (code, f"{tmp_path}/weft.toml has 2 mistakes" in said) == (1, True)
    code, said = await weft.run("up", "--engine", "llamacpp", env={**home, "WEFT_INFERENCE_MODEL_PATH": "~/weft.toml"})
    assert (code, "it is no GGUF file" in said) == (1, True)


async def test_a_home_that_is_not_known_is_told(tmp_path: Path):
    code, said = await Weft(Path("~nobody-of-this-name/state"), folder=tmp_path).run("status")
    assert code == 2
    assert "write the whole path" in " ".join(said.replace("│", " ").split())


def test_settings_of_services_may_begin_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    class Config(Settings, env_prefix="WEFT_TEST_"):
        listen: str = ""
        file: Path

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WEFT_TEST_FILE", "~/some file")
    assert Config.load().file == tmp_path / "some file"


def test_a_path_that_no_server_takes_is_refused_with_the_reason(tmp_path: Path):
    with pytest.raises(
        StateUnusable, match=r"is \d+ bytes long, and PostgreSQL takes 950 at most: name another folder"
    ):
        StateFolder(tmp_path / "/".join(["x" * 200] * 5))
    with pytest.raises(StateUnusable, match="holds characters that servers do not take"):
        StateFolder(tmp_path / "two\nlines")
    with pytest.raises(StateUnusable, match="holds characters that servers do not take"):
        StateFolder(tmp_path / os.fsdecode(b"not-utf8-\xff"))


def test_a_path_that_leads_in_a_circle_is_refused(tmp_path: Path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(StateUnusable, match="leads in a circle of links"):
        StateFolder(tmp_path / "a")
