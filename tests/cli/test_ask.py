"""`weft ask`: where the question may come from, and what a request may be given."""

import json

import pytest
from tests.client.gateways import succeeded
from tests.support.command_line import weft

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import job_pb2
from weft_client.requests import chat
from weft_kit.rpc.errors import DependencyDown, Internal, WeftError

SCHEMA = {"title": "An order!", "type": "object", "required": ["item"]}
TOOL = {"name": "find", "description": "Finds a boat.", "parameters": {"type": "object"}}
TALK = [{"role": "user", "content": "Who keeps the light?"}, {"role": "assistant", "content": "Ada does."}]


@pytest.fixture
def asking(playing, say):
    """Asks a gateway that answers at once; returns what the command came to, and the call it made."""

    async def ask(*arguments: str, stdin: str = ""):
        async with playing([say.done("It is green.")]) as (client, gateway):
            gateway.jobs[say.job_id] = succeeded(say.job_id, "It is green.")
            at = ("--endpoint", client.endpoint, "--key", "k", "ask")
            code, out, err = await weft(*at, *arguments, "--quiet", stdin=stdin)
        return (code, out, err), gateway.asked[0] if gateway.asked else None

    return ask


async def test_the_question_comes_from_stdin_or_from_a_file(asking, tmp_path):
    (tmp_path / "question.txt").write_text("What\ncolour?\n")
    _, from_stdin = await asking("-", stdin="What\ncolour?\n")
    _, from_file = await asking(f"@{tmp_path / 'question.txt'}")
    assert from_stdin.request == from_file.request == chat("What\ncolour?\n", temperature=0.0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-",), "there is no question in stdin: it is empty"),
        (("@no-such.txt",), "no-such.txt cannot be read: No such file or directory"),
        (("hi", "--history", "no-such.json"), "no-such.json cannot be read"),
        (("hi", "--schema", "{folder}/list.json"), "list.json is no JSON Schema: it is no JSON object"),
        (("hi", "--schema", "{folder}/broken.json"), "broken.json is no JSON: Expecting"),
        (("hi", "--tools", "{folder}/list.json"), "list.json holds no tools: tool 1: it is no JSON object"),
        (("hi", "--history", "{folder}/talk.jsonl"), 'talk.jsonl is no conversation: message 2: "role" must be one of'),
        (("hi", "--history", "{folder}/broken.json"), "broken.json is no conversation: line 1 is no JSON: Expecting"),
        (
            ("hi", "--remember", "--history", "{folder}/list.json"),
            "list.json is a JSON list, to which nothing",
        ),
    ],
)
async def test_what_cannot_be_asked_is_told_in_one_line_before_anything_happens(asking, tmp_path, arguments, told):
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "broken.json").write_text("{not json")
    (tmp_path / "talk.jsonl").write_text('{"role": "user", "content": "hi"}\n{"role": "me", "content": "ho"}\n')
    (code, _, err), asked = await asking(*(argument.format(folder=tmp_path) for argument in arguments))
    assert (code, err.count("\n"), asked) == (1, 1, None)
    assert told in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("@",), "@ goes before the name of a file, as in @question.txt"),
        (("hi", "--label", "run"), "a label is key=value; it is run"),
        (("hi", "--label", "run=1", "--label", "run=2"), "the label run is given twice: 1 and 2"),
        (("hi", "--remember"), "--remember adds to"),
        (("hi", "--priority", "urgent"), "'--priority': 'urgent' is not one of"),
    ],
)
async def test_options_that_do_not_go_together_are_a_mistake_of_the_command_line(asking, arguments, told):
    (code, _, err), asked = await asking(*arguments)
    assert (code, err.count("\n"), asked) == (2, 1, None)
    assert told in err


def every_option(folder):
    """Every option of a request, and the files that some of them name."""
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    (folder / "tools.json").write_text(json.dumps([TOOL]))
    (folder / "talk.jsonl").write_text("\n".join(map(json.dumps, TALK)))
    (folder / "system.txt").write_text("Answer in one word.")
    return {
        "--label": "run=7",
        "--priority": "low",
        "--request-id": "r-1",
        "--webhook": "https://receiver.example/hook",
        "--schema": folder / "schema.json",
        "--tools": folder / "tools.json",
        "--tool-choice": "required",
        "--stop": "END",
        "--seed": 7,
        "--temperature": 0.5,
        "--top-p": 0.9,
        "--max-tokens": 5,
        "--system": f"@{folder / 'system.txt'}",
        "--history": folder / "talk.jsonl",
        "--timeout-s": 60,
        "--max-attempts": 2,
        "--max-backoff-s": 1.5,
        "--on-outage": "fail",
    }


ASKED_FOR = {
    "labels": {"run": "7"},
    "priority": "low",
    "webhook_url": "https://receiver.example/hook",
    "json_schema": SCHEMA,
    "tools": [TOOL],
    "tool_choice": "required",
    "stop": ["END"],
    "seed": 7,
    "temperature": 0.5,
    "top_p": 0.9,
    "max_tokens": 5,
    "system": "Answer in one word.",
    "history": TALK,
    "timeout_s": 60,
    "max_attempts": 2,
    "max_backoff_s": 1.5,
    "on_outage": "fail",
}
"""What `every_option` asks for."""


async def test_every_option_of_a_request_reaches_it(asking, tmp_path):
    (code, _, _), asked = await asking("hi", *(str(part) for pair in every_option(tmp_path).items() for part in pair))
    assert (code, asked.request_id) == (0, "r-1")
    assert asked.request == chat("hi", **ASKED_FOR)
    assert [job_pb2.OnOutage.Name(asked.request.retry_policy.on_outage), len(asked.request.messages)] == [
        "ON_OUTAGE_FAIL",
        4,
    ]
    assert asked.request.response_format.json_schema.name == "An_order"
    _, free = await asking("hi", "--json-answer")
    assert free.request.response_format.HasField("json_object")


async def test_a_conversation_goes_on_where_it_is_remembered(asking, tmp_path):
    talk = tmp_path / "talk.jsonl"
    (code, _, _), first = await asking("What colour?", "--history", str(talk), "--remember")
    _, second = await asking("Really?", "--history", str(talk), "--remember")
    assert code == 0
    assert len(first.request.messages) == 1
    said = [message.parts[0].text for message in second.request.messages]
    assert said == ["What colour?", "It is green.", "Really?"]
    await asking("One\u2028two\x85three", "--history", str(talk), "--remember")
    _, last = await asking("So?", "--history", str(talk))
    assert last.request.messages[4].parts[0].text == "One\u2028two\x85three"
    assert talk.read_text(encoding="utf-8").count("\n") == 6


async def test_calls_of_tools_are_remembered_with_what_their_provider_wants_back(playing, say, tmp_path):
    """A result that is told afterwards belongs to a call: without it providers refuse the conversation."""
    talk = tmp_path / "talk.jsonl"
    call = chat_pb2.ToolCall(id="c1", name="find", arguments_json='{"name": "boat"}', provider_state='{"openai": {}}')
    async with playing([say.done("")], [say.done("")]) as (client, gateway):
        gateway.jobs[say.job_id] = succeeded(say.job_id, "")
        gateway.jobs[say.job_id].answer.tool_calls.append(call)
        ask = ("--endpoint", client.endpoint, "--key", "k", "ask", "--history", str(talk), "--quiet")
        await weft(*ask, "Which boat?", "--remember")
        with talk.open("a") as file:
            file.write('{"role": "tool", "tool_call_id": "c1", "content": "the Grey Heron"}\n')
        await weft(*ask, "And now?")
    said = gateway.asked[1].request.messages
    assert list(said[1].tool_calls) == [call]
    assert (said[2].tool_call_id, said[3].parts[0].text) == ("c1", "And now?")


async def test_help_shows_the_options_by_what_they_are_for_with_examples():
    code, out, _ = await weft("ask", "--help")
    assert code == 0
    for shown in ("The job", "What the answer is to be like", "Whom to ask", "weft ask - ", "--remember"):
        assert shown in " ".join(out.split())


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Internal("c0ffee"), "look for call_id=c0ffee in the service's log"),
        (WeftError(error_pb2.ERROR_REASON_INTERNAL, "no idea"), "no call id came with it: look at the gateway's log"),
    ],
)
async def test_an_internal_error_says_where_to_look(playing, error, told):
    async with playing([error]) as (client, _):
        code, _, err = await weft("--endpoint", client.endpoint, "--key", "k", "ask", "hi", "--quiet")
    assert code == 1
    assert told in err


async def test_who_does_not_know_whether_a_job_was_accepted_is_told_how_to_join_it(playing):
    away = DependencyDown("nats", "the log does not answer; retry", retry_after_s=60.0)
    async with playing([away]) as (client, gateway):
        at = ("--endpoint", client.endpoint, "--key", "k", "ask", "hi", "--quiet")
        code, _, err = await weft(*at)
    assert code == 1
    assert f"ask the same with --request-id {gateway.asked[0].request_id} to join it if it was" in " ".join(err.split())
    assert "says: the log does not answer" in err
