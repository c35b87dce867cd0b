"""What all providers reached by HTTP have in common, against real sockets, TLS included."""

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.router import recorded
from tests.router.chat import user
from tests.router.scripted_server import EVENTS, JSON, Reply, ScriptedServer

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import (
    AnthropicEntry,
    GeminiEntry,
    HttpEntry,
    OpenAIEntry,
    OpenAIResponsesEntry,
)
from weft_router.providers.anthropic.messages import Messages
from weft_router.providers.gemini.generate_content import GenerateContent
from weft_router.providers.http.provider import HttpProvider
from weft_router.providers.openai.chat import ChatCompletions
from weft_router.providers.openai.responses import Responses
from weft_router.providers.provider import ProviderError, Remedy
from weft_router.providers.refusals.errors import ProviderAccess

ACCESS = ProviderAccess("sk-secret", "providers.p.api_key_env: the key in P_KEY")
KINDS = {
    "openai": (OpenAIEntry, ChatCompletions),
    "openai_responses": (OpenAIResponsesEntry, Responses),
    "anthropic": (AnthropicEntry, Messages),
    "gemini": (GeminiEntry, GenerateContent),
}
TEXT = Reply(content_type=EVENTS, body=recorded.raw("openai-text"))


def at(base_url: str, kind: str = "openai", **settings: object) -> HttpProvider:
    entry_type, wire_format = KINDS[kind]
    entry: HttpEntry = entry_type.model_validate({"kind": kind, "base_url": base_url} | settings)
    return HttpProvider(entry, wire_format(entry), ACCESS)  # type: ignore[arg-type]


@asynccontextmanager
async def on(scripted: ScriptedServer, kind: str = "openai", **settings: object) -> AsyncIterator[HttpProvider]:
    async with scripted.running() as base_url, at(base_url, kind, **settings) as provider:
        yield provider


def asking(**fields: Any) -> inference_pb2.GenerateRequest:
    return inference_pb2.GenerateRequest(**({"model": "m-1", "messages": [user("Hi")]} | fields))


async def answer(provider: HttpProvider, request: inference_pb2.GenerateRequest | None = None) -> recorded.Whole:
    async with asyncio.timeout(20), provider.stream(request or asking(), 5) as steps:
        return recorded.Whole([step async for step in steps])


async def failure(provider: HttpProvider, request: inference_pb2.GenerateRequest | None = None) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await answer(provider, request)
    return raised.value


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


async def test_a_connection_is_used_again_after_an_answer_and_after_a_refusal() -> None:
    scripted = ScriptedServer(TEXT, Reply(400), TEXT)
    async with on(scripted) as provider:
        await answer(provider)
        await failure(provider)
        await answer(provider)

    assert scripted.connections == 1


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


def zlibbed(content: bytes, bits: int) -> bytes:
    compressing = zlib.compressobj(wbits=bits)
    return compressing.compress(content) + compressing.flush()


ENCODINGS = {"identity": 0, "Identity, identity": 0, "none": 0, "gzip": 31, "x-gzip": 31, "GZIP": 31, "deflate": 15}


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_a_stream_is_read_however_it_is_encoded(encoding: str) -> None:
    """RFC 9110, section 8.4.1; https://github.com/editor-code-assistant/eca/pull/479: not all heed what is accepted."""
    raw, bits = recorded.raw("openai-text"), ENCODINGS[encoding]
    headers = {"content-encoding": encoding}
    async with on(
        ScriptedServer(Reply(content_type=EVENTS, body=zlibbed(raw, bits) if bits else raw, headers=headers))
    ) as it:
        assert await answer(it) == recorded.read(recorded.answer("openai-text"), [raw])


async def test_a_refusal_is_understood_however_it_is_encoded() -> None:
    body = zlibbed(b'{"error": {"message": "m", "code": "context_length_exceeded"}}', 31)
    async with on(ScriptedServer(Reply(400, JSON, body, {"content-encoding": "gzip"}))) as provider:
        assert (await failure(provider)).remedy is Remedy.ANOTHER_ROUTE


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"\x1f\x8b" + b"\0" * 100),
        ("gzip", zlibbed(recorded.raw("openai-text"), 31)[:100]),
        ("deflate", b"data: [DONE]"),
        ("br", b"\x8b\x02\x80"),
        ("gzip, gzip", zlibbed(zlibbed(recorded.raw("openai-text"), 31), 31)),
    ],
)
async def test_a_stream_that_cannot_be_inflated_is_a_failure(encoding: str, body: bytes) -> None:
    reply = Reply(content_type=EVENTS, body=body, headers={"content-encoding": encoding})
    async with on(ScriptedServer(reply)) as provider:
        assert (await failure(provider)).reason == error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN


async def test_a_bomb_is_inflated_only_so_far() -> None:
    """Some 300 KB that come to 300 MB of heartbeats, which are no part of any answer's size."""
    compressing, heartbeats = zlib.compressobj(wbits=31), (b"data: {}\n:" + b" " * 65525 + b"\n\n") * 16
    body = b"".join(compressing.compress(heartbeats) for _ in range(300)) + compressing.flush()
    async with on(
        ScriptedServer(Reply(content_type=EVENTS, body=body, headers={"content-encoding": "gzip"}))
    ) as provider:
        assert "compressed more than" in (await failure(provider)).message


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


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_a_connection_stands_before_the_first_call_and_is_kept(tls: ssl.SSLContext, ca_file: Path) -> None:
    scripted = ScriptedServer(TEXT)
    async with scripted.running(tls) as base_url, at(base_url, ca_file=ca_file, keep_warm_s=0.1) as provider:
        first = await asyncio.wait_for(scripted.heads.get(), 20)
        await asyncio.wait_for(scripted.heads.get(), 20)
        await answer(provider)

    assert scripted.connections == 1
    assert not {"authorization", "x-api-key"} & set(first.headers)


async def test_a_provider_that_cannot_be_warmed_can_still_be_asked(tls: ssl.SSLContext, ca_file: Path) -> None:
    async with at("https://127.0.0.1:1/v1", ca_file=ca_file, keep_warm_s=0.01) as provider:
        error = await failure(provider)

    assert error.reason == error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE


async def test_plain_http_is_not_kept_warm() -> None:
    scripted = ScriptedServer(TEXT)
    async with on(scripted, keep_warm_s=0.001) as provider:
        await answer(provider)

    assert scripted.heads.empty()


async def test_a_certificate_nobody_vouches_for_is_not_trusted(tls: ssl.SSLContext) -> None:
    async with ScriptedServer(TEXT).running(tls) as base_url, at(base_url) as provider:
        error = await failure(provider)

    assert error.reason == error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE
    assert "TLS" in error.message
