"""`weft jobs` and `weft webhooks`: what people read, and the exit codes."""

import asyncio
import json
import signal

import grpc
import pytest
from tests.client.gateways import HOLD, in_batch, succeeded
from tests.support.command_line import started, weft

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import webhook_pb2
from weft.job.v1 import job_pb2


def at(client):
    return ("--endpoint", client.endpoint, "--key", "k")


async def test_jobs_are_listed_by_every_filter_with_or_without_the_word(playing):
    filters = ["--state", "failed", "--model", "small", "--priority", "high", "--label", "run=7", "--request-id", "r"]
    async with playing() as (client, gateway):
        gateway.jobs["n-1"] = job_pb2.Job(job_id="n-1", state=job_pb2.JOB_STATE_FAILED, model="small")
        code, out, _ = await weft(*at(client), "jobs", "list", *filters)
        await weft(*at(client), "jobs", *filters)
    assert code == 0
    assert "n-1" in out
    first, second = gateway.lists
    assert first == second
    assert (first.models, first.priorities, first.labels) == (["small"], [job_pb2.PRIORITY_HIGH], {"run": "7"})
    assert (first.states, first.request_id) == ([job_pb2.JOB_STATE_FAILED], "r")


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (("--priority", "urgent"), "no such priority: urgent; choose from high, normal, low"),
        (("--label", "run"), "a label is key=value; it is run"),
        (("--label", "run=1", "--label", "run=2"), "the label run is given twice: 1 and 2"),
    ],
)
async def test_a_filter_that_cannot_be_one_is_told_in_one_line(option, told):
    code, _, err = await weft("--key", "k", "jobs", *option)
    assert (code, err.count("\n")) == (2, 1)
    assert told in err


async def test_waiting_shows_the_record_and_tells_success_by_its_exit_code(playing):
    async with playing() as (client, gateway):
        gateway.jobs["good"] = succeeded("good", "It is green.")
        gateway.jobs["slow"] = job_pb2.Job(job_id="slow", state=job_pb2.JOB_STATE_RUNNING)
        good, out, _ = await weft(*at(client), "jobs", "wait", "good")
        slow, _, _ = await weft(*at(client), "jobs", "wait", "slow", "--limit-s", "0")
    assert (good, slow) == (0, 1)
    assert "SUCCEEDED" in out


BATCH = """\
{"prompt": "one", "model": "small", "max_tokens": 5}

{"model": "small", "messages": [{"role": "ROLE_USER", "parts": [{"text": "two"}]}], "labels": {"run": "7"}}
"""


async def test_a_file_of_requests_is_submitted_and_each_line_answered(playing, tmp_path):
    (tmp_path / "batch.jsonl").write_text(BATCH)
    unknown = error_pb2.ItemError(
        code=grpc.StatusCode.INVALID_ARGUMENT.value[0], reason=error_pb2.ERROR_REASON_UNKNOWN_MODEL, message="no small"
    )
    good = in_batch(pb.SubmitJobRequest(request_id="a"))
    submit = ("jobs", "submit-many", str(tmp_path / "batch.jsonl"))
    async with playing() as (client, gateway):
        accepted, out, err = await weft(*at(client), *submit, "--batch", "nightly")
        gateway.batches = [[good, pb.SubmitJobsResult(error=unknown)]] * 2
        refused, lines, _ = await weft(*at(client), *submit)
        _, document, _ = await weft(*at(client), *submit, "--json")
    assert (accepted, refused) == (0, 1)
    assert out == "1  job-nightly-1  QUEUED\n3  job-nightly-3  QUEUED\n"
    assert err == "2 accepted, 0 refused\n"
    assert lines.splitlines() == ["1  job-a  QUEUED", "3  refused  UNKNOWN_MODEL: no small"]
    assert [(item["line"], "job" in item) for item in json.loads(document)] == [(1, True), (3, False)]
    first, second = (asked.request for asked in gateway.asked[0].requests)
    assert (first.messages[0].parts[0].text, first.model, first.sampling.max_tokens) == ("one", "small", 5)
    assert (second.messages[0].parts[0].text, second.labels) == ("two", {"run": "7"})


async def test_a_line_ends_where_json_lines_do(playing):
    """U+2028 and U+0085 may stand in a text of JSON as they are; Python takes them for ends of lines."""
    question = "one\u2028two\x85three\x0bfour"
    line = json.dumps({"prompt": question}, ensure_ascii=False)
    async with playing() as (client, gateway):
        code, _, _ = await weft(*at(client), "jobs", "submit-many", "-", stdin=f"{line}\r\n{line}\n")
    assert code == 0
    said = [asked.request.messages[0].parts[0].text for asked in gateway.asked[0].requests]
    assert said == [question, question]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("not json", "line 2 is no request"),
        ("[]", "line 2 is no request: it is no JSON object"),
        ('{"modle": "small"}', 'line 2 is no request: it has no "prompt", and as proto JSON: Message type "weft.'),
        ('{"prompt": "hi", "modle": "small"}', "line 2 is no request: there is no option modle"),
        ('{"prompt": "hi", "max_tokens": "many"}', "line 2 is no request"),
    ],
)
async def test_a_line_that_is_no_request_keeps_the_whole_file_back(playing, line, told):
    async with playing() as (client, gateway):
        code, out, err = await weft(*at(client), "jobs", "submit-many", "-", stdin=f'{{"prompt": "hi"}}\n{line}\n')
    assert (code, out, gateway.asked) == (1, "", [])
    assert told in err
    assert "nothing was submitted" in err
    assert err.count("\n") == 1


async def test_a_file_that_is_no_text_is_told(tmp_path):
    (tmp_path / "program").write_bytes(b"\x7fELF\xd0\x00")
    code, _, err = await weft("--key", "k", "jobs", "submit-many", str(tmp_path / "program"))
    assert code == 1
    assert "program is no text in UTF-8" in err


async def test_cancelling_a_job_that_is_over_says_so(playing):
    async with playing() as (client, gateway):
        gateway.jobs["good"] = succeeded("good", "It is green.")
        gateway.jobs["good"].end_time.GetCurrentTime()
        code, out, err = await weft(*at(client), "cancel", "good")
    assert (code, err) == (0, "it was over already: nothing was cancelled\n")
    assert "SUCCEEDED" in out


async def test_a_file_that_is_not_there_is_told(tmp_path):
    code, _, err = await weft("--key", "k", "jobs", "submit-many", str(tmp_path / "missing.jsonl"))
    assert code == 1
    assert "missing.jsonl cannot be read: No such file or directory" in err


@pytest.mark.parametrize(
    ("options", "policy", "told"),
    [
        ((), pb.ON_DISCONNECT_DETACH, "the job goes on: `weft tail n-test-1`"),
        (("--on-disconnect", "cancel"), pb.ON_DISCONNECT_CANCEL, "the job is cancelled: `weft job n-test-1`"),
        (
            ("--on-disconnect", "detach-for"),
            pb.ON_DISCONNECT_DETACH_FOR,
            "while somebody reads it: `weft tail n-test-1`",
        ),
    ],
)
async def test_leaving_a_question_says_what_becomes_of_its_job(playing, say, options, policy, told):
    async with playing([say.accepted(), say.delta("It is "), HOLD]) as (client, gateway):
        asking = await started(*at(client), "ask", "What colour?", *options)
        await asking.stdout.readexactly(len("It is "))
        asking.send_signal(signal.SIGINT)
        _, err = await asking.communicate()
    assert asking.returncode == 130
    assert told in err.decode()
    assert gateway.asked[0].on_disconnect == policy


def delivery(**more):
    found = webhook_pb2.Delivery(job_id="n-1", url="https://receiver.example/hook", **more)
    for status, outcome in ((0, "nobody answers"), (503, "the receiver answered 503")):
        one = found.tries.add(http_status=status, outcome=outcome)
        one.time.FromJsonString("2026-01-02T03:04:05Z")
        one.duration.FromMilliseconds(120)
    return found


async def test_deliveries_are_shown_with_their_tries(posting):
    async with posting() as (client, webhooks):
        webhooks.deliveries = [delivery(state=webhook_pb2.DELIVERY_STATE_FAILED)]
        code, out, _ = await weft(*at(client), "webhooks", "list", "--state", "failed", "--job", "n-1")
        _, again, _ = await weft(*at(client), "webhooks", "redeliver", "n-1")
    assert (code, again) == (0, out)
    assert [line.rstrip() for line in out.splitlines()] == [
        "n-1  FAILED",
        "https://receiver.example/hook",
        "tried                    answer  took    outcome",
        "2026-01-02 03:04:05 UTC          120 ms  nobody answers",
        "2026-01-02 03:04:05 UTC  503     120 ms  the receiver answered 503",
    ]
    assert webhooks.asked[0].states == [webhook_pb2.DELIVERY_STATE_FAILED]


async def test_secrets_are_shown_only_when_asked_for(posting):
    async with posting() as (client, webhooks):
        webhooks.secrets = [webhook_pb2.WebhookSecret(secret="whsec_bmV3c2VjcmV0")]
        said = await asyncio.gather(
            weft(*at(client), "webhooks", "secrets"),
            weft(*at(client), "webhooks", "secrets", "--json"),
            weft(*at(client), "webhooks", "rotate", "--overlap-hours", "1"),
            weft(*at(client), "webhooks", "secrets", "--show"),
        )
    *hidden, shown = [out for _, out, _ in said]
    assert all("whsec_bmV3…" in out and "c2VjcmV0" not in out for out in hidden)
    assert "whsec_bmV3c2VjcmV0" in shown
    assert webhooks.asked[0].overlap.ToTimedelta().total_seconds() == 3600
