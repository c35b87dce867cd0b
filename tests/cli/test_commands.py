"""The command line against a gateway that says what it is told to: what people read, and the exit codes."""

import json

import pytest
from tests.client.gateways import succeeded
from tests.support.command_line import weft

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.rpc.errors import Unauthenticated


async def test_ask_streams_the_answer_and_shows_the_record(playing, say):
    script = [say.accepted(), say.delta("It is "), say.delta("green."), say.done("It is green.")]
    async with playing(script) as (client, gateway):
        gateway.jobs[say.job_id] = succeeded(say.job_id, "It is green.")
        code, out, err = await weft("--endpoint", client.endpoint, "--key", "k", "ask", "What colour?", "-c", "demo")
    assert (code, err) == (0, f"job {say.job_id} waits for its turn\nwriting\n")
    assert out.startswith("It is green.\n")
    for shown in (say.job_id, "SUCCEEDED", "local (SmolLM2)", "7 written", "[1] The light (02-the-light.md)"):
        assert shown in out
    assert gateway.asked[0].request.retrieval.collection == "demo"
    assert gateway.asked[0].request.sampling.temperature == 0


async def test_ask_for_programs_prints_the_record_alone(playing, say):
    async with playing([say.done("It is green.")]) as (client, gateway):
        gateway.jobs[say.job_id] = succeeded(say.job_id, "It is green.")
        code, out, _ = await weft("--endpoint", client.endpoint, "--key", "k", "ask", "What colour?", "--json")
    assert code == 0
    assert json.loads(out)["answer"]["text"] == "It is green."


async def test_reasoning_is_shown_when_asked_for_and_apart_from_the_answer(playing, say):
    script = [say.accepted(), say.delta("", "Think"), say.delta("", "ing."), say.delta("It is green.")]
    async with playing(*[[*script, say.done("It is green.", reasoning="Thinking.")]] * 2) as (client, gateway):
        gateway.jobs[say.job_id] = succeeded(say.job_id, "It is green.")
        ask = ("--endpoint", client.endpoint, "--key", "k", "ask", "What colour?", "--quiet")
        _, shown, aside = await weft(*ask, "--show-reasoning")
        _, plain, nothing = await weft(*ask)
    assert (aside, nothing) == ("Thinking.\n\n", "")
    assert shown.startswith("It is green.\n")
    assert plain.startswith("It is green.\n")


@pytest.mark.parametrize(("picture", "told"), [("no-such.png", "no-such.png cannot be read"), ("", "no PNG, JPEG")])
async def test_a_picture_that_cannot_be_sent_is_told_before_anything_happens(tmp_path, picture, told):
    (tmp_path / "notes").write_text("no picture")
    code, _, err = await weft("--key", "k", "ask", "hi", "--image", picture or str(tmp_path / "notes"))
    assert (code, err.count("\n")) == (1, 1)
    assert told in err


async def test_a_failed_job_gives_exit_code_1(playing, say):
    failed = event_pb2.Done(state=job_pb2.JOB_STATE_FAILED)
    error = job_pb2.JobError(reason=70, message="local does not answer; start it")
    async with playing([say.accepted(), say.event(done=failed)]) as (client, gateway):
        gateway.jobs[say.job_id] = job_pb2.Job(job_id=say.job_id, state=job_pb2.JOB_STATE_FAILED, error=error)
        code, out, _ = await weft("--endpoint", client.endpoint, "--key", "k", "ask", "What colour?")
    assert code == 1
    assert "PROVIDER_UNREACHABLE: local does not answer; start it" in out


async def test_a_refusal_is_one_line_with_the_next_step(playing):
    async with playing([Unauthenticated("no such key")]) as (client, _):
        code, out, err = await weft("--endpoint", client.endpoint, "--key", "k", "ask", "What colour?")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "UNAUTHENTICATED: no such key; pass --key" in err


async def test_no_mesh_at_the_endpoint_gives_exit_code_3():
    code, _, err = await weft("--endpoint", "127.0.0.1:1", "--key", "k", "jobs")
    assert code == 3
    assert "start one with `weft up`" in err


async def test_without_a_key_the_command_says_where_to_get_one(tmp_path):
    code, _, err = await weft("--state", str(tmp_path), "jobs")
    assert code == 1
    assert f"no API key for a mesh, and {tmp_path} is no state folder of one: pass --key, set WEFT_API_KEY" in err


async def test_a_mesh_that_was_named_and_has_no_key_here_is_named(tmp_path):
    code, _, err = await weft("--state", str(tmp_path), "--endpoint", "10.0.0.9:7600", "jobs")
    assert code == 1
    assert "no API key for 10.0.0.9:7600: pass --key, set WEFT_API_KEY, or start a mesh with `weft up`" in err


async def test_an_unknown_state_lists_the_known_ones():
    code, _, err = await weft("--key", "k", "jobs", "--state", "lost")
    assert code == 2
    assert "choose from queued, running, succeeded, failed, cancelled, expired" in err


async def test_text_of_others_is_shown_as_it_was_written(playing, say):
    async with playing() as (client, gateway):
        gateway.jobs[say.job_id] = succeeded(say.job_id, "See [red]this[/red].")
        gateway.jobs[say.job_id].answer.sources[0].title = "[bold]The[/bold] light"
        code, out, _ = await weft("--endpoint", client.endpoint, "--key", "k", "job", say.job_id)
    assert code == 0
    assert "See [red]this[/red]." in out
    assert "[1] [bold]The[/bold] light" in out


async def test_following_a_job_from_past_its_end_shows_its_record(playing, say):
    async with playing([]) as (client, gateway):
        gateway.jobs[say.job_id] = succeeded(say.job_id, "It is green.")
        code, out, err = await weft("--endpoint", client.endpoint, "--key", "k", "tail", say.job_id, "--after", "99")
    assert (code, err) == (0, "")
    assert "SUCCEEDED" in out


async def test_an_empty_list_says_so(playing):
    async with playing() as (client, _):
        code, out, _ = await weft("--endpoint", client.endpoint, "--key", "k", "jobs")
    assert (code, out) == (0, "no jobs\n")


@pytest.mark.parametrize(
    "options",
    [
        ("tail", "n-test-1", "--after", "-1"),
        ("ask", "hi", "--max-tokens", "99999999999"),
        ("up", "--base-port", "70000"),
        ("up", "--engine", "steam"),
        ("up", "--catalog", "no-such.toml"),
        ("ask", "hi", "--on-disconnect", "explode"),
        ("ask", "hi", "--first-of", "9"),
        ("keys", "create", "--money-per-day", "much"),
        ("keys", "create", "--money-per-day", "0.0000001"),
    ],
)
async def test_a_value_out_of_range_is_told_before_anything_happens(options):
    code, _, err = await weft("--key", "k", *options)
    assert code == 2
    assert f"Invalid value for '{options[-2]}'" in err


async def test_a_path_that_is_not_there_makes_no_collection(tmp_path):
    code, _, err = await weft("--key", "k", "ingest", str(tmp_path), "no-such.md", "--collection", "c")
    assert code == 2
    assert "'no-such.md' does not exist" in err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--key", "ключ"), "the key holds characters no key has"),
        (("--key", "k", "--endpoint", "http://127.0.0.1:7600"), "without http://"),
    ],
)
async def test_an_endpoint_or_key_that_cannot_be_one_is_told_in_one_line(given, told):
    code, _, err = await weft(*given, "jobs")
    assert (code, err.count("\n")) == (1, 1)
    assert told in err


async def test_a_tenant_is_deleted_only_when_that_is_sure():
    code, _, err = await weft("--operator-token", "t", "tenants", "delete", "acme")
    assert code == 1
    assert "delete acme with all its keys, jobs, documents and answers, for good: say --yes" in err
