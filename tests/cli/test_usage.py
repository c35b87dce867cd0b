"""How the command line is called: options anywhere, help with examples, completion, and mistakes told in one line."""

import json
import shlex
from collections.abc import Iterator
from importlib.metadata import version

import pytest
import typer
from tests.client.gateways import succeeded
from tests.support.command_line import weft

from weft.job.v1 import job_pb2
from weft_cli.app import app

COMMAND = typer.main.get_command(app)


def commands(command=COMMAND, name="") -> Iterator[tuple[str, object]]:
    """Yields every command that does something, by what is typed for it."""
    for word, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{name} {word}".strip())
    if not hasattr(command, "commands"):
        yield name, command


def examples() -> Iterator[tuple[str, str]]:
    for name, command in commands():
        lines = (command.epilog or "").splitlines()
        yield from ((name, line.strip()) for line in lines if line.startswith("  weft "))


def parsed(command, name, words, parent=None) -> str:
    """Parses a call as the command line does, without doing it; returns the name of its command."""
    with command.make_context(name, words, parent=parent) as context:
        if not hasattr(command, "commands"):
            return context.command_path
        name, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        return parsed(inner, name, rest, context)


def test_every_command_has_examples():
    shown = {name for name, _ in examples()}
    assert {name for name, _ in commands()} - shown == set()


@pytest.mark.parametrize(("name", "example"), list(examples()))
def test_every_example_is_a_call_of_its_command(name, example, tmp_path, monkeypatch):
    (tmp_path / "handbook").mkdir()
    for file in ("weft.toml", "a.md", "b.pdf"):
        (tmp_path / file).touch()
    monkeypatch.chdir(tmp_path)
    assert parsed(COMMAND, "weft", shlex.split(example)[1:]) == f"weft {name}"


async def test_help_shows_the_examples_whatever_the_width():
    code, out, _ = await weft("cache", "invalidate", "-h", env={"COLUMNS": "40"})
    assert code == 0
    assert "weft cache invalidate --tag prices" in " ".join(out.split())


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_help_is_short_as_well_as_long(name):
    with pytest.raises(typer.Exit):
        parsed(COMMAND, "weft", [*name.split(), "-h"])


async def test_the_version_is_the_package_s():
    assert await weft("--version") == (0, f"weft {version('weft')}\n", "")


@pytest.mark.parametrize("place", [0, 1, 2, 3])
async def test_options_of_the_session_stand_anywhere(playing, place):
    call = ["jobs", "wait", "good"]
    async with playing() as (client, gateway):
        gateway.jobs["good"] = succeeded("good", "It is green.")
        session = ["--endpoint", client.endpoint, "--api-key", "k"]
        code, out, err = await weft(*call[:place], *session, *call[place:])
    assert (code, err) == (0, "")
    assert "SUCCEEDED" in out


async def test_what_stands_further_right_counts(playing):
    async with playing() as (client, _):
        code, out, _ = await weft("--endpoint", "127.0.0.1:1", "jobs", f"--endpoint={client.endpoint}", "--key", "k")
    assert (code, out) == (0, "no jobs\n")


async def test_an_option_after_the_command_stands_above_the_environment(playing):
    async with playing() as (client, _):
        code, out, _ = await weft(
            "jobs", "--endpoint", client.endpoint, env={"WEFT_ENDPOINT": "127.0.0.1:1", "WEFT_API_KEY": "k"}
        )
    assert (code, out) == (0, "no jobs\n")


async def test_where_jobs_have_a_state_the_folder_is_named_in_full(playing, tmp_path):
    async with playing() as (client, gateway):
        mesh = {"endpoint": client.endpoint, "api_key": "k", "operator_token": "o"}
        (tmp_path / "mesh.json").write_text(json.dumps(mesh))
        code, _, _ = await weft("jobs", "--state-folder", str(tmp_path), "--state", "failed")
    assert (code, gateway.lists[0].states) == (0, [job_pb2.JOB_STATE_FAILED])


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("jbs",), "No such command 'jbs'. Did you mean 'jobs', 'job'? `weft --help` shows how"),
        (("jobs", "wait"), "Missing argument 'job_id'; `weft jobs wait --help` shows how"),
        (("ask", "hi", "--modle", "x"), "No such option: --modle"),
        (("up", "--catalog", "a-folder-of-a-long-name/" * 8), "does not exist; `weft up --help` shows how"),
    ],
)
@pytest.mark.parametrize("columns", ["40", "200"])
async def test_a_mistake_is_told_in_one_line_whatever_the_width(call, told, columns):
    code, out, err = await weft(*call, env={"COLUMNS": columns})
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err


@pytest.mark.parametrize(
    ("name", "meant"),
    [("WEFT_KEY", "WEFT_API_KEY"), ("WEFT_ENDPIONT", "WEFT_ENDPOINT"), ("WEFT_OPERATOR_TOKN", "WEFT_OPERATOR_TOKEN")],
)
async def test_a_mistyped_variable_is_told_with_the_name_that_was_meant(name, meant):
    told = f"✗ {name}: no such setting; did you mean {meant}?\n"
    assert await weft("jobs", env={name: "x"}) == (2, "", told)


async def test_variables_of_services_containers_and_catalogs_are_left_alone(playing):
    others = ("WEFT_GATEWAY_OPERATOR_TOKEN", "WEFT_POSTGRES_PASSWORD", "WEFT_OPENAI_KEY", "WEFT_INFERENCE_MODEL_PATH")
    async with playing() as (client, _):
        session = ("--endpoint", client.endpoint, "--key", "k")
        assert await weft("jobs", *session, env=dict.fromkeys(others, "x")) == (0, "no jobs\n", "")


async def completed(words: str) -> list[str]:
    """Returns what a shell offers for the last word."""
    place = str(len(words.split(" ")) - 1)
    _, out, _ = await weft(env={"_WEFT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": place})
    return out.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("weft web", ["webhooks"]),
        ("weft jobs --state f", ["failed"]),
        ("weft jobs list --priority ", ["high", "normal", "low"]),
        ("weft webhooks list --state d", ["delivered"]),
        ("weft up --engine l", ["llamacpp"]),
        ("weft cache inv", ["invalidate"]),
        ("weft jobs wait --endp", ["--endpoint"]),
    ],
)
async def test_a_shell_is_offered_commands_options_and_values(words, offered):
    assert await completed(words) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion_can_be_installed(shell):
    # Else the shell is told from the processes above this one.
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    code, out, _ = await weft("--show-completion", shell, env=named)
    assert (code, "_WEFT_COMPLETE" in out) == (0, True)


@pytest.mark.parametrize(
    "where",
    [{"LANG": "C", "LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}],
)
async def test_what_a_terminal_cannot_show_does_not_end_the_program(playing, where):
    async with playing() as (client, gateway):
        gateway.jobs["good"] = succeeded("good", "Grün, 緑 🟢")
        session = ("--endpoint", client.endpoint, "--key", "k")
        shown, out, _ = await weft("job", "good", *session, env=where)
        record, document, _ = await weft("job", "good", *session, "--json", env=where)
        refused, _, err = await weft("job", env=where)
    assert (shown, record, refused) == (0, 0, 2)
    assert "SUCCEEDED" in out
    assert "Missing argument" in err
    assert json.loads(document)["answer"]["text"] == "Grün, 緑 🟢"
