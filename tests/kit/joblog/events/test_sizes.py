"""How large events may be: parts of a delta, ends that fit, and what becomes of an event that NATS would not carry."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_compose.servers import NatsServer, serving
from weft_kit.joblog import EventTooLarge, JobLog, LogConfig, bounded, connect, new_job_id, pieces, text_hash, write_end
from weft_kit.rpc.errors import CannotStart

ENVELOPE = event_pb2.Accepted(tenant="acme", request=job_pb2.GenerationRequest(model="default"))
DEFAULT_PAYLOAD_BYTES = 1024 * 1024


class _Default(NatsServer):
    """One that carries what nats-server carries where nobody configures it."""

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"max_payload": DEFAULT_PAYLOAD_BYTES}


@pytest.fixture(scope="module")
def default_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("nats") / "data"
    with serving(lambda port: _Default(folder, port)) as server:
        yield server.url


@pytest.fixture
async def small(default_nats: str) -> AsyncIterator[JobLog]:
    async with connect(default_nats, "test") as client:
        log = JobLog(client, LogConfig(max_bytes=64 * 1024**2))
        await log.ensure()
        yield log


async def accepted(log: JobLog) -> tuple[str, int]:
    job_id = new_job_id("acme", job_pb2.PRIORITY_NORMAL)
    return job_id, (await log.accept(job_id, ENVELOPE)).sequence


def test_parts_of_a_delta_are_the_delta_again() -> None:
    calls = [
        event_pb2.ToolCallDelta(index=0, id="a", name="f", provider_state="s", arguments_json="ö" * 1000),
        *(event_pb2.ToolCallDelta(index=number, id="b", arguments_json="{}") for number in range(1, 50)),
    ]
    whole = event_pb2.Delta(text="ä€😀" * 300, reasoning="ü" * 500, token_count=7, tool_calls=calls)
    parts = list(pieces(whole, 100))
    assert "".join(part.text for part in parts) == whole.text
    assert "".join(part.reasoning for part in parts) == whole.reasoning
    assert sum(part.token_count for part in parts) == 7
    assert max(part.ByteSize() for part in parts) <= 150
    found = [piece for part in parts for piece in part.tool_calls]
    assert "".join(piece.arguments_json for piece in found if not piece.index) == "ö" * 1000
    assert [(piece.id, piece.name, piece.provider_state) for piece in found if piece.id][:2] == [
        ("a", "f", "s"),
        ("b", "", ""),
    ]
    assert {piece.index for piece in found} == set(range(50))


def test_of_very_many_attempts_the_first_and_the_last_stay() -> None:
    attempts = [job_pb2.Attempt(number=number, chosen_because="x" * 1000) for number in range(1, 1000)]
    kept = [attempt.number for attempt in bounded(attempts)]
    assert kept[0] == 1
    assert kept[-1] == 999
    assert 200 < len(kept) < 300
    assert kept == sorted(kept)
    assert bounded(attempts[:9]) == attempts[:9]


async def test_an_event_larger_than_nats_carries_is_refused_before_it_is_sent(small: JobLog) -> None:
    job_id, at = await accepted(small)
    writer = small.writer(job_id, at)
    for size in (small.largest_event_bytes + 1, 2 * DEFAULT_PAYLOAD_BYTES):
        with pytest.raises(EventTooLarge) as refused:
            await writer.append(event_pb2.Delta(text="x" * size))
        assert int(refused.value.metadata["size_bytes"]) > int(refused.value.metadata["limit_bytes"])
    assert small.client.stats["reconnects"] == 0
    assert await writer.append(event_pb2.Delta(text="goes on")) > at


async def test_an_event_as_large_as_may_be_is_written_and_read(small: JobLog) -> None:
    job_id, at = await accepted(small)
    text = "x" * (small.largest_event_bytes - 100)
    await small.writer(job_id, at).append(event_pb2.Delta(text=text))
    assert (await small.events(job_id))[-1].delta.text == text
    last = await small.last(job_id)
    assert last is not None
    assert last.delta.text == text


@pytest.mark.parametrize("state", [job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_CANCELLED])
async def test_an_end_that_is_too_large_ends_the_job_without_its_answer(
    small: JobLog, state: job_pb2.JobState.ValueType
) -> None:
    job_id, at = await accepted(small)
    writer = small.writer(job_id, at)
    await writer.append(event_pb2.Delta(text="x"))
    cancelled = job_pb2.JobError(reason=error_pb2.ERROR_REASON_CANCELLED)
    text = "x" * DEFAULT_PAYLOAD_BYTES
    done = event_pb2.Done(state=state, answer=job_pb2.Answer(text=text), text_hash=text_hash(text))
    if state == job_pb2.JOB_STATE_CANCELLED:
        done.error.CopyFrom(cancelled)
    written = await write_end(writer, done, at)
    events = await small.events(job_id)
    assert [event.WhichOneof("event") for event in events] == ["accepted", "delta", "rewound", "done"]
    assert events[-1].done == written
    assert (written.answer.text, written.text_hash) == ("", text_hash(""))
    if state == job_pb2.JOB_STATE_CANCELLED:
        assert (written.state, written.error) == (state, cancelled)
    else:
        assert written.state == job_pb2.JOB_STATE_FAILED
        assert written.error.reason == error_pb2.ERROR_REASON_ANSWER_TOO_LARGE


async def test_a_server_that_carries_less_than_the_settings_need_is_refused_at_start(small: JobLog) -> None:
    small.check_carries(DEFAULT_PAYLOAD_BYTES // 2, "WEFT_X")
    with pytest.raises(CannotStart, match=r"set max_payload = 7341056 or more .* or lower WEFT_X"):
        small.check_carries(7 * 1024 * 1024, "WEFT_X")
