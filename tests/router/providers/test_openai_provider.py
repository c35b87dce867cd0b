"""The OpenAI adapter against a real HTTP server, well-behaved and not."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence

import pytest
from tests.router.harness import user

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2
from weft_kit.catalog.providers import OpenAIEntry
from weft_mock import Fault, MockProvider, Script, ToolCall
from weft_router.providers.http.provider import HttpProvider
from weft_router.providers.openai.chat import ChatCompletions
from weft_router.providers.provider import ProviderError, Remedy, Step
from weft_router.providers.refusals.errors import ProviderAccess

BROKEN = error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN
ERROR = error_pb2.ERROR_REASON_PROVIDER_ERROR
OVERLOADED = error_pb2.ERROR_REASON_PROVIDER_OVERLOADED
REJECTED = error_pb2.ERROR_REASON_PROVIDER_REJECTED
TIMEOUT = error_pb2.ERROR_REASON_PROVIDER_TIMEOUT
UNREACHABLE = error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE


@pytest.fixture
async def provider(mock_url: str) -> AsyncIterator[HttpProvider]:
    async with at(mock_url, "sk-secret") as provider:
        yield provider


def at(base_url: str, api_key: str = "") -> HttpProvider:
    entry = OpenAIEntry.model_validate({"kind": "openai", "base_url": base_url})
    return HttpProvider(entry, ChatCompletions(entry), ProviderAccess(api_key))


def request(**fields: object) -> inference_pb2.GenerateRequest:
    return inference_pb2.GenerateRequest(model="mock", messages=[user("Hello?")], **fields)  # type: ignore[arg-type]


async def steps_of(provider: HttpProvider, limit_s: float = 5) -> list[Step]:
    async with asyncio.timeout(20), provider.stream(request(), limit_s) as steps:
        return [step async for step in steps]


def said(steps: Sequence[Step]) -> str:
    return "".join(step.text for step in steps if isinstance(step, event_pb2.Delta))


async def test_an_answer_comes_in_pieces_and_ends_with_its_usage(provider: HttpProvider, mock: MockProvider) -> None:
    mock.play(Script(text="One two three four.", first_token_s=0.01))

    *deltas, finished = await steps_of(provider)

    assert said(deltas) == "One two three four."
    assert sum(delta.token_count for delta in deltas if isinstance(delta, event_pb2.Delta)) == 4
    assert isinstance(finished, inference_pb2.Finished)
    assert finished.finish_reason == chat_pb2.FINISH_REASON_STOP
    assert finished.usage == chat_pb2.Usage(prompt_tokens=1, completion_tokens=4)


async def test_the_first_token_does_not_wait_for_the_second(provider: HttpProvider, mock: MockProvider) -> None:
    mock.play(Script(text="One two.", tokens_per_second=0.1))

    async with provider.stream(request(), 5) as steps, asyncio.timeout(5):
        assert said([await anext(steps)]) == "One"


async def test_the_key_travels_in_the_header(provider: HttpProvider, mock: MockProvider) -> None:
    await steps_of(provider)

    assert (await mock.next_request()).headers["authorization"] == "Bearer sk-secret"


@pytest.mark.parametrize("piece_bytes", [1, 7, 97])
async def test_it_does_not_matter_where_the_bytes_are_cut(
    provider: HttpProvider, mock: MockProvider, piece_bytes: int
) -> None:
    mock.play(Script(text="Zwölf Käuze — 十二。", piece_bytes=piece_bytes, piece_s=0))

    assert said(await steps_of(provider)) == "Zwölf Käuze — 十二。"


async def test_tool_calls_come_in_pieces(provider: HttpProvider, mock: MockProvider) -> None:
    mock.play(Script(tool_calls=(ToolCall("weather", '{"city": "Paris"}'),)))

    *deltas, finished = await steps_of(provider)

    pieces = [piece for delta in deltas if isinstance(delta, event_pb2.Delta) for piece in delta.tool_calls]
    assert (pieces[0].id, pieces[0].name) == ("call_0", "weather")
    assert "".join(piece.arguments_json for piece in pieces) == '{"city": "Paris"}'
    assert isinstance(finished, inference_pb2.Finished)
    assert finished.finish_reason == chat_pb2.FINISH_REASON_TOOL_CALLS


async def test_connections_are_used_again(provider: HttpProvider, mock: MockProvider) -> None:
    for _ in range(5):
        await steps_of(provider)

    assert mock.stats.connections_total == 1


async def test_leaving_a_stream_closes_its_connection(provider: HttpProvider, mock: MockProvider) -> None:
    mock.play(Script(tokens=500, tokens_per_second=50))
    async with provider.stream(request(), 30) as steps:
        await anext(steps)
        left_at = asyncio.get_running_loop().time()

    abort = await asyncio.wait_for(mock.next_abort(), 20)
    assert abort.at - left_at < 0.25


@pytest.mark.parametrize("fault", [Fault.HANG_BEFORE_HEADERS, Fault.HANG_AFTER_HEADERS, Fault.HANG])
async def test_a_provider_that_hangs_is_left_when_its_time_is_over(
    provider: HttpProvider, mock: MockProvider, fault: Fault
) -> None:
    mock.play(Script(fault=fault))

    with pytest.raises(ProviderError) as failure:
        await steps_of(provider, limit_s=0.2)

    assert failure.value.reason == TIMEOUT
    await asyncio.wait_for(mock.next_abort(), 20)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.RESET, BROKEN),
        (Fault.CLOSE, BROKEN),
        (Fault.NO_END, BROKEN),
        (Fault.ERROR_EVENT, ERROR),
        (Fault.BAD_JSON, BROKEN),
        (Fault.INVALID_UTF8, BROKEN),
        (Fault.HUGE_EVENT, BROKEN),
        (Fault.HTML, BROKEN),
    ],
)
async def test_a_stream_that_is_not_whole_is_a_failure(
    provider: HttpProvider, mock: MockProvider, fault: Fault, reason: int
) -> None:
    mock.play(Script(fault=fault))

    with pytest.raises(ProviderError) as failure:
        await steps_of(provider)

    assert (failure.value.reason, failure.value.remedy) == (reason, Remedy.ANOTHER_TRY)


@pytest.mark.parametrize("fault", [Fault.TWO_ENDS, Fault.TOKENS_AFTER_END])
async def test_what_follows_the_end_marker_is_not_part_of_the_answer(
    provider: HttpProvider, mock: MockProvider, fault: Fault
) -> None:
    mock.play(Script(text="One two three.", fault=fault))

    assert said(await steps_of(provider)) == "One two three."


@pytest.mark.parametrize(
    ("status", "reason", "remedy"),
    [
        (307, ERROR, Remedy.ANOTHER_PROVIDER),
        (400, REJECTED, Remedy.NEXT_ROUTE),
        (401, ERROR, Remedy.ANOTHER_PROVIDER),
        (403, ERROR, Remedy.ANOTHER_PROVIDER),
        (404, ERROR, Remedy.ANOTHER_ROUTE),
        (408, TIMEOUT, Remedy.ANOTHER_TRY),
        (413, REJECTED, Remedy.ANOTHER_ROUTE),
        (429, OVERLOADED, Remedy.ANOTHER_TRY),
        (500, ERROR, Remedy.ANOTHER_TRY),
        (502, ERROR, Remedy.ANOTHER_TRY),
        (503, OVERLOADED, Remedy.ANOTHER_TRY),
        (529, OVERLOADED, Remedy.ANOTHER_TRY),
    ],
)
async def test_each_status_says_what_may_help(
    provider: HttpProvider, mock: MockProvider, status: int, reason: int, remedy: Remedy
) -> None:
    mock.play(Script(status=status, retry_after="7"))

    with pytest.raises(ProviderError) as failure:
        await steps_of(provider)

    assert (failure.value.reason, failure.value.remedy, failure.value.retry_after_s) == (reason, remedy, 7)
    assert str(status) in failure.value.message
    assert "sk-secret" not in failure.value.message


async def test_a_proxys_page_in_place_of_an_error_is_classified_by_its_status(
    provider: HttpProvider, mock: MockProvider
) -> None:
    mock.play(Script(status=502, fault=Fault.HTML))

    with pytest.raises(ProviderError) as failure:
        await steps_of(provider)

    assert failure.value.message == "the provider answered 502 Bad Gateway"


async def test_a_checkup_lists_the_models(provider: HttpProvider, mock: MockProvider) -> None:
    await provider.check("mock", 5)

    assert mock.stats.requests == 0


async def test_nobody_listening_is_unreachable() -> None:
    async with at("http://127.0.0.1:1/v1") as provider:
        with pytest.raises(ProviderError) as failure:
            await steps_of(provider)

    assert (failure.value.reason, failure.value.remedy) == (UNREACHABLE, Remedy.ANOTHER_TRY)


async def test_a_name_nobody_knows_is_unreachable() -> None:
    async with at("http://nowhere.invalid/v1") as provider:
        with pytest.raises(ProviderError) as failure:
            await steps_of(provider)

    assert failure.value.reason == UNREACHABLE


async def test_a_server_that_hangs_up_before_it_answers_is_broken() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, family=socket.AF_INET)
    port = server.sockets[0].getsockname()[1]
    async with server, at(f"http://127.0.0.1:{port}/v1") as provider:
        with pytest.raises(ProviderError) as failure:
            await steps_of(provider)

    assert failure.value.remedy is Remedy.ANOTHER_TRY
