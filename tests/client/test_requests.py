"""Requests from plain values."""

import json
import re

import pytest

from weft.job.v1 import job_pb2
from weft_cli.batch_file import read_batch
from weft_client.chat_json import messages, said_by
from weft_client.images import image
from weft_client.requests import chat


def test_a_request_that_says_nothing_about_routing_has_none():
    request = chat("hi")
    assert [field.name for field, _ in request.ListFields()] == ["model", "messages", "sampling"]
    assert request == chat("hi", prefer_region="", draft=False, first_of=None, images=())


def test_what_is_said_about_routing_and_time_is_passed_on():
    request = chat("hi", prefer_region="eu", first_token_s=0.5, between_tokens_s=1, total_s=90, first_of=2, draft=True)
    routing = job_pb2.Routing(prefer_region="eu", first_of=2, draft=True)
    routing.first_token_timeout.FromMilliseconds(500)
    routing.between_tokens_timeout.FromSeconds(1)
    routing.total_timeout.FromSeconds(90)
    assert request.routing == routing
    aged = chat("hi", timeout_s=1.5, max_age_s=0)
    assert aged.timeout.ToMilliseconds() == 1500
    assert aged.cache.HasField("max_age")


def test_what_is_said_about_the_cache_is_passed_on():
    request = chat("hi", cache="exact", max_age_s=60, min_similarity=0.9, tags=["hr", "2026"])
    policy = job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_EXACT, min_similarity=0.9, tags=["hr", "2026"])
    policy.max_age.FromSeconds(60)
    assert request.cache == policy
    assert not chat("hi", cache=None, tags=(), min_similarity=None).HasField("cache")


def test_what_is_said_about_retries_is_passed_on():
    policy = job_pb2.RetryPolicy(max_attempts=2, on_outage=job_pb2.ON_OUTAGE_FAIL)
    policy.max_backoff.FromMilliseconds(500)
    assert chat("hi", max_attempts=2, max_backoff_s=0.5, on_outage="fail").retry_policy == policy
    assert chat("hi", on_outage="wait").retry_policy.on_outage == job_pb2.ON_OUTAGE_WAIT
    assert not chat("hi", max_attempts=None, max_backoff_s=None, on_outage=None).HasField("retry_policy")
    with pytest.raises(ValueError, match="on_outage is 'sulk'; it may be wait or fail"):
        chat("hi", on_outage="sulk")
    with pytest.raises(ValueError, match="priority is 'urgent'; it may be high or normal or low"):
        chat("hi", priority="urgent")


def test_an_option_that_is_misspelt_is_no_option():
    with pytest.raises(TypeError, match="there is no option modle; there are model, "):
        chat("hi", modle="small")


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (b"\x89PNG\r\n\x1a\n and so on", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    ],
)
def test_a_picture_is_known_by_its_first_bytes(data, mime_type, tmp_path):
    (tmp_path / "named.txt").write_bytes(data)
    assert image(data) == image(tmp_path / "named.txt")
    assert image(data).mime_type == mime_type


def test_a_picture_may_be_an_address():
    assert image("https://pictures.example/light").url == "https://pictures.example/light"


@pytest.mark.parametrize(
    ("picture", "told"), [(b"BM", "no PNG, JPEG, GIF or WebP"), ("http://x.example/y.png", "begins with https://")]
)
def test_what_no_provider_takes_is_refused_here(picture, told):
    with pytest.raises(ValueError, match=told):
        image(picture)


def test_a_line_of_a_batch_has_the_same_options():
    line = '{"prompt": "hi", "first_of": 2, "images": ["https://pictures.example/light"], "top_k": null}'
    request = read_batch([line])[1].request
    assert request == chat("hi", first_of=2, images=["https://pictures.example/light"])


def test_a_line_of_a_batch_names_its_job_and_may_name_everything_else():
    line = {
        "prompt": "hi",
        "request_id": "r-7",
        "labels": {"run": "7"},
        "priority": "low",
        "webhook_url": "https://receiver.example/hook",
        "history": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        "tools": [{"type": "function", "function": {"name": "find"}}],
        "tool_choice": "auto",
        "json_schema": {"type": "object"},
        "stop": ["END"],
        "seed": 7,
        "on_outage": "fail",
    }
    options = {name: value for name, value in line.items() if name not in {"prompt", "request_id"}}
    requests = read_batch([json.dumps(line), '{"prompt": "hi"}'], "nightly")
    assert requests[1].request == chat("hi", **options)
    assert (requests[1].request_id, requests[2].request_id) == ("r-7", "nightly-2")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"labels": {"run": 7}}, "labels.run: Input should be a valid string; it is 7"),
        ({"labels": "run=7"}, "labels: Input should be a valid dictionary"),
        ({"priority": "urgent"}, "priority: Input should be 'high', 'normal' or 'low'; it is \"urgent\""),
        ({"stop": "END"}, "stop: 'str' instances are not allowed as a Sequence value"),
        ({"max_tokens": "many"}, "max_tokens: Input should be a valid integer"),
        ({"history": [{"role": "me"}]}, 'message 1: "role" must be one of system'),
        ({"history": [{"role": "user", "said": "hi"}]}, "message 1: there is no field 'said'"),
        ({"history": [{"role": "user", "content": 5}]}, 'message 1: "content" must be a text or a list of parts'),
        ({"tools": [{}]}, 'tool 1: it has no "name"'),
        ({"tools": [{"name": "f", "parameters": "x"}]}, 'tool 1: "parameters" must be a JSON Schema'),
        ({"request_id": 5}, "request_id: must be a text; it is 5"),
        ({"prompt": 5}, "prompt: must be a text; it is 5"),
    ],
)
def test_what_is_wrong_with_a_line_of_a_batch_is_told_with_its_number(wrong, told):
    with pytest.raises(ValueError, match=f"^line 2 is no request: {re.escape(told)}"):
        read_batch(['{"prompt": "hi"}', json.dumps({"prompt": "hi", **wrong})])


def test_messages_are_read_as_chat_completions_write_them():
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"name": "boat"}'}}
    call["provider_state"] = '{"openai":{}}'  # as an answer had it
    picture = {"type": "image_url", "image_url": {"url": "https://pictures.example/light"}}
    user, assistant, tool = messages(
        [
            {"role": "user", "content": [{"type": "text", "text": "What is this?"}, picture]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "a boat", "tool_call_id": "c1"},
        ]
    )
    assert [part.WhichOneof("part") for part in user.parts] == ["text", "image"]
    assert (assistant.tool_calls[0].name, assistant.tool_calls[0].arguments_json) == ("find", '{"name": "boat"}')
    assert assistant.tool_calls[0].provider_state == '{"openai":{}}'
    assert (tool.tool_call_id, tool.parts[0].text) == ("c1", "a boat")
    assert messages([said_by(assistant), said_by(tool)]) == [assistant, tool]
    assert messages([{"role": "ROLE_USER", "parts": [{"text": "hi"}]}]) == [chat("hi").messages[0]]
