"""What `weft job` and `weft jobs` show of one job: all of it, its log, and why it did not succeed."""

import json

import pytest
from tests.client.gateways import succeeded
from tests.support.command_line import weft

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_cli.views.jobs import shortfall
from weft_client.requests import chat

WORKER = "10.0.0.7:7602"


def failed(job_id: str) -> job_pb2.Job:
    job = job_pb2.Job(job_id=job_id, state=job_pb2.JOB_STATE_FAILED, model="default")
    job.accept_time.FromJsonString("2026-01-02T03:04:00Z")
    job.end_time.FromJsonString("2026-01-02T03:04:31.2Z")
    job.error.reason, job.error.message = error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE, "local is away; start it"
    for number in (1, 2):
        job.attempts.add(number=number, provider="local", worker=WORKER)
    return job


WHY = f"FAILED after 31.2 s (2 attempts · router {WORKER}): PROVIDER_UNREACHABLE: local is away; start it"


def at(client):
    return ("--endpoint", client.endpoint, "--key", "k")


async def test_a_list_says_of_each_failed_job_why_after_how_long_and_where(playing):
    async with playing() as (client, gateway):
        gateway.jobs = {"n-1": failed("n-1"), "n-2": succeeded("n-2", "fine")}
        _, out, _ = await weft(*at(client), "jobs")
    assert f"n-1 {WHY}" in out
    assert "n-2 " in out
    assert out.count("PROVIDER_UNREACHABLE") == 1


async def test_ask_ends_with_the_line_of_a_failed_job(playing, say):
    done = event_pb2.Done(state=job_pb2.JOB_STATE_FAILED)
    async with playing([say.accepted(), say.event(done=done)]) as (client, gateway):
        gateway.jobs[say.job_id] = failed(say.job_id)
        code, out, err = await weft(*at(client), "ask", "hi", "--quiet")
    assert code == 1
    assert err == f"✗ job {say.job_id} {WHY}\n"
    assert "FAILED after 31.2 s" in " ".join(out.split())
    assert f"attempt 2 local · router {WORKER}" in " ".join(out.split())


def test_a_job_that_has_not_failed_has_no_shortfall():
    assert shortfall(succeeded("j", "fine")) == ""
    assert shortfall(job_pb2.Job(state=job_pb2.JOB_STATE_RUNNING)) == ""
    assert shortfall(job_pb2.Job(state=job_pb2.JOB_STATE_CANCELLED)) == "CANCELLED"


async def test_a_job_is_shown_whole(playing, say):
    async with playing() as (client, gateway):
        job = gateway.jobs[say.job_id] = succeeded(say.job_id, "It is green.")
        job.request_id = "r-1"
        asked = chat("What colour?", system="Be brief.", labels={"run": "7"}, priority="low", max_tokens=5)
        job.request.CopyFrom(asked)
        code, out, _ = await weft(*at(client), "job", say.job_id)
    shown = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0
    for line in ("request id r-1", "labels run=7", "priority LOW", "system Be brief.", "user What colour?"):
        assert line in shown
    assert 'sampling {"max_tokens": 5}' in shown
    assert shown[-1] == "It is green."


async def test_a_jobs_log_is_shown_event_by_event(playing, say):
    started = event_pb2.Started(
        attempt=1, provider="local", provider_model="m", worker=WORKER, prompt_tokens_estimate=7
    )
    delta = event_pb2.Delta(text="It is\ngreen.", token_count=3)
    accepted = event_pb2.Accepted(request=chat("What colour?"))
    script = [say.event(accepted=accepted), say.event(started=started), say.event(delta=delta)]
    script = [*script, say.rewound(to=script[1]), say.done("It is green.")]
    script[0].time.FromJsonString("2026-01-02T03:04:05.678Z")
    async with playing(script, script) as (client, gateway):
        gateway.jobs[say.job_id] = succeeded(say.job_id, "It is green.")
        gateway.jobs[say.job_id].last_sequence = script[-1].sequence
        code, out, _ = await weft(*at(client), "job", say.job_id, "--events")
        _, lines, _ = await weft(*at(client), "job", say.job_id, "--events", "--json")
    assert code == 0
    assert [" ".join(line.split()[2:]) for line in out.splitlines()] == [
        '3 accepted default: "What colour?"',
        f"6 started attempt 1 running on local (m), reading about 7 tokens, router {WORKER}",
        '9 delta 3 tokens: "It is\\ngreen."',
        "12 rewound what came after 6 is withdrawn",
        '15 done SUCCEEDED: "It is green."',
    ]
    assert out.startswith("01-02 03:04:05.678 ")
    events = [json.loads(line) for line in lines.splitlines()]
    assert [event["sequence"] for event in events] == ["3", "6", "9", "12", "15"]
    assert events[1]["started"]["worker"] == WORKER


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
async def test_a_jobs_log_is_json_in_whatever_encoding_stdout_has(playing, say, encoding):
    script = [say.accepted(), say.delta("é 光 😀"), say.done("é 光 😀")]
    async with playing(script) as (client, gateway):
        gateway.jobs[say.job_id] = job_pb2.Job(job_id=say.job_id, last_sequence=script[-1].sequence)
        arguments = (*at(client), "job", say.job_id, "--events", "--json")
        _, out, _ = await weft(*arguments, env={"PYTHONIOENCODING": encoding})
    assert json.loads(out.splitlines()[1])["delta"]["text"] == "é 光 😀"


async def test_the_log_of_a_running_job_is_shown_as_it_stands_or_followed(playing, say):
    begun = [say.accepted(), say.event(started=event_pb2.Started(attempt=1, provider="local"))]
    rest = [say.delta("It is green."), say.done("It is green.")]
    async with playing([*begun, *rest], [*begun, *rest]) as (client, gateway):
        gateway.jobs[say.job_id] = job_pb2.Job(job_id=say.job_id, last_sequence=begun[-1].sequence)
        _, now, _ = await weft(*at(client), "job", say.job_id, "--events")
        _, followed, _ = await weft(*at(client), "job", say.job_id, "--events", "--follow")
    assert (len(now.splitlines()), len(followed.splitlines())) == (2, 4)


async def test_following_is_of_events():
    code, _, err = await weft("--key", "k", "job", "j", "--follow")
    assert code == 2
    assert "--follow goes with --events" in err
