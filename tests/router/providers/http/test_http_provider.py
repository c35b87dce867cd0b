"""What all providers reached by HTTP have in common: how they ask, what they take for an answer, and checkups."""

import pytest
from tests.router import recorded
from tests.router.providers.http.harness import TEXT, answer, asking, failure, on
from tests.router.scripted_server import EVENTS, JSON, Reply, ScriptedServer

from weft.common.v1 import chat_pb2, error_pb2
from weft_kit.catalog.providers import OpenAIEntry
from weft_router.providers.http.provider import HttpProvider
from weft_router.providers.openai.chat import ChatCompletions
from weft_router.providers.provider import ProviderError, Remedy
from weft_router.providers.refusals.errors import ProviderAccess


@pytest.mark.parametrize(
    ("kind", "recording", "target", "header"),
    [
        ("openai", "openai-text", "/v1/chat/completions", ("authorization", "Bearer sk-secret")),
        ("openai_responses", "responses-text", "/v1/responses", ("authorization", "Bearer sk-secret")),
        ("anthropic", "anthropic-text", "/v1/messages", ("x-api-key", "sk-secret")),
        ("gemini", "gemini-text", "/v1/models/m-1:streamGenerateContent?alt=sse", ("x-goog-api-key", "sk-secret")),
    ],
)
async def test_each_kind_asks_where_its_api_is_and_reads_what_comes(
    kind: str, recording: str, target: str, header: tuple[str, str]
) -> None:
    scripted = ScriptedServer(Reply(content_type=EVENTS, body=recorded.raw(recording)))
    async with on(scripted, kind) as provider:
        found = await answer(provider)

    assert found == recorded.read(recorded.answer(recording), [recorded.raw(recording)])
    [asked] = scripted.asked
    assert (asked.method, asked.target, asked.headers[header[0]]) == ("POST", target, header[1])
    assert asked.headers["accept-encoding"] == "identity"


async def test_headers_and_settings_of_the_catalog_go_with_every_call() -> None:
    scripted = ScriptedServer(Reply(content_type=EVENTS, body=recorded.raw("gemini-text")))
    extra = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}
    async with on(scripted, "gemini", headers={"x-title": "weft"}, extra_body=extra) as provider:
        await answer(provider, asking(sampling=chat_pb2.SamplingParams(max_tokens=5)))

    [asked] = scripted.asked
    assert asked.headers["x-title"] == "weft"
    assert asked.json["generationConfig"] == {"maxOutputTokens": 5, "thinkingConfig": {"includeThoughts": True}}


async def test_a_key_with_a_letter_that_no_key_has_is_for_its_provider_to_refuse() -> None:
    scripted = ScriptedServer(Reply(401))
    async with scripted.running() as base_url:
        entry = OpenAIEntry.model_validate({"kind": "openai", "base_url": base_url})
        async with HttpProvider(entry, ChatCompletions(entry), ProviderAccess("sk-clé")) as provider:
            error = await failure(provider)

    assert error.http_status == 401


async def test_images_are_refused_before_any_call_where_none_are_taken() -> None:
    image = chat_pb2.ContentPart(image=chat_pb2.Image(url="https://images.test/a.png"))
    request = asking(messages=[chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[image])])
    scripted = ScriptedServer(TEXT)
    async with on(scripted, takes_images=False) as provider:
        error = await failure(provider, request)

    assert (error.reason, error.remedy) == (error_pb2.ERROR_REASON_UNSUPPORTED, Remedy.ANOTHER_PROVIDER)
    assert error.is_requests_fault
    assert not scripted.asked


async def test_an_error_object_in_place_of_a_stream_is_understood() -> None:
    body = b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}'
    async with on(ScriptedServer(Reply(content_type=JSON, body=body))) as provider:
        error = await failure(provider)

    assert error.reason == error_pb2.ERROR_REASON_PROVIDER_OVERLOADED


@pytest.mark.parametrize(
    "content_type",
    [
        "text/event-stream",
        "text/event-stream;charset=UTF-8",
        "Text/Event-Stream ; charset=utf-8",
        "",  # https://github.com/nearai/private-ml-sdk/pull/20
        "application/json",  # https://github.com/microsoft/foundry-dev-tools/issues/195
        "application/x-ndjson",
        "text/plain; charset=utf-8",
        "application/octet-stream",
    ],
)
async def test_a_stream_is_read_whatever_it_is_called(content_type: str) -> None:
    async with on(ScriptedServer(Reply(content_type=content_type, body=recorded.raw("openai-text")))) as provider:
        assert await answer(provider) == recorded.read(recorded.answer("openai-text"), [recorded.raw("openai-text")])


@pytest.mark.parametrize("status", [200, 201, 203])
async def test_an_answer_that_is_not_streamed_is_read(status: int) -> None:
    body = b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}'
    async with on(ScriptedServer(Reply(status, JSON, body))) as provider:
        assert (await answer(provider)).said.text == "Hi"


@pytest.mark.parametrize("status", [204, 205, 301, 302, 307, 308])
async def test_what_has_no_answer_is_a_refusal_of_that_provider(status: int) -> None:
    """RFC 9110, 15.3.5 and 15.4: there is nothing to read, and keys go nowhere but to base_url."""
    scripted = ScriptedServer(Reply(status, EVENTS, b"", {"location": "https://elsewhere.test/"}), TEXT)
    async with on(scripted) as provider:
        error = await failure(provider)

    assert (error.remedy, error.http_status) == (Remedy.ANOTHER_PROVIDER, status)
    assert len(scripted.asked) == 1


async def test_a_page_in_place_of_a_stream_is_a_failure_that_names_its_type() -> None:
    async with on(ScriptedServer(Reply(content_type="text/html", body=b"<html>"))) as provider:
        assert "answered with text/html" in (await failure(provider)).message


@pytest.mark.parametrize("content_type", [JSON, EVENTS, "text/plain"])
async def test_an_error_object_is_understood_whatever_it_is_called(content_type: str) -> None:
    """https://github.com/sgl-project/sglang/pull/20027: 200 with an error's body"""
    body = b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}'
    async with on(ScriptedServer(Reply(content_type=content_type, body=body))) as provider:
        assert (await failure(provider)).reason == error_pb2.ERROR_REASON_PROVIDER_OVERLOADED


async def test_an_error_of_endless_length_is_read_only_so_far() -> None:
    head = b"HTTP/1.1 500 X\r\ncontent-type: text/html\r\ncontent-length: 99999999\r\n\r\n"
    async with on(ScriptedServer(head + b"x" * 200_000)) as provider:
        assert (await failure(provider)).message == "the provider answered 500 Internal Server Error"


@pytest.mark.parametrize("raw", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\0" * 64 + b"\r\n\r\n"])
async def test_what_is_no_http_is_a_failure_in_our_words(raw: bytes) -> None:
    async with on(ScriptedServer(raw)) as provider:
        error = await failure(provider)

    assert error.remedy is Remedy.ANOTHER_TRY
    assert error.reason in (error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN, error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE)


async def test_a_refused_key_is_named_by_its_setting() -> None:
    async with on(ScriptedServer(Reply(401))) as provider:
        error = await failure(provider)

    assert "providers.p.api_key_env" in error.message
    assert "sk-secret" not in error.message


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("openai", "/v1/models"),
        ("openai_responses", "/v1/models"),
        ("anthropic", "/v1/models?limit=1"),
        ("gemini", "/v1/models?pageSize=1"),
    ],
)
async def test_a_checkup_lists_models(kind: str, target: str) -> None:
    scripted = ScriptedServer(Reply())
    async with on(scripted, kind) as provider:
        await provider.check("m-1", 5)

    assert [(asked.method, asked.target) for asked in scripted.asked] == [("GET", target)]


async def test_a_checkup_asks_for_one_token_where_no_models_are_listed() -> None:
    scripted = ScriptedServer(Reply(404), TEXT)
    async with on(scripted) as provider:
        await provider.check("m-1", 5)

    assert scripted.asked[1].json["max_tokens"] == 1


async def test_a_page_where_models_should_be_listed_is_not_well() -> None:
    async with on(ScriptedServer(Reply(content_type="text/html"))) as provider:
        with pytest.raises(ProviderError, match="base_url"):
            await provider.check("m-1", 5)


async def test_a_refusal_whose_body_hangs_is_known_by_its_status() -> None:
    head = b"HTTP/1.1 429 X\r\ncontent-length: 50\r\nretry-after: 7\r\n\r\n"
    async with on(ScriptedServer(head)) as provider:
        error = await failure(provider)

    assert (error.reason, error.retry_after_s) == (error_pb2.ERROR_REASON_PROVIDER_OVERLOADED, 7)


async def test_a_checkup_says_what_is_wrong() -> None:
    async with on(ScriptedServer(Reply(401))) as provider:
        with pytest.raises(ProviderError, match="P_KEY"):
            await provider.check("m-1", 5)
