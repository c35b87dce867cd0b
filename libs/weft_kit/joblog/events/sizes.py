"""Sizes of events: text that is too long is split, and a job's end is made to fit."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog.events.projection import text_hash
from weft_kit.rpc.errors import Invalid

HEADERS_BYTES = 1024
"""More than the headers of an event take, which count towards what nats-server carries."""
DELTA_BYTES = 256 * 1024
"""The text in one delta, at most: as long as it is written, no other is."""
MESSAGE_CHARACTERS = 1000
"""The longest text of an error in a job's record. Providers, and documents, may say more."""
END_BYTES = 1024 * 1024
"""What a job's end may take beside its answer: sources, attempts, error."""
_ATTEMPTS_BYTES = 256 * 1024


class EventTooLarge(Invalid):
    """The event is too large for nats-server: it was not sent."""

    def __init__(self, kind: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            error_pb2.ERROR_REASON_REQUEST_TOO_LARGE,
            f"the job's {kind!r} has {size_bytes} bytes, and the log carries {limit_bytes}; send less",
            size_bytes=str(size_bytes),
            limit_bytes=str(limit_bytes),
        )


class EventSink(Protocol):
    """Where events of one job go."""

    async def append(self, step: event_pb2.Rewound | event_pb2.Done, /) -> int: ...


def beginning(text: str, limit_bytes: int) -> str:
    """Returns the beginning of a text, up to that many bytes in UTF-8."""
    return text.encode()[:limit_bytes].decode(errors="ignore")


def pieces(delta: event_pb2.Delta, limit_bytes: int = DELTA_BYTES) -> Iterator[event_pb2.Delta]:
    """Yields a delta in parts of about `limit_bytes`: the same once they are put together again."""
    if delta.ByteSize() <= limit_bytes:
        yield delta
        return
    token_count = delta.token_count
    for part in _parts(delta, limit_bytes):
        part.token_count, token_count = token_count, 0
        yield part


def _parts(delta: event_pb2.Delta, limit_bytes: int) -> Iterator[event_pb2.Delta]:
    for text in _cut(delta.reasoning, limit_bytes):
        yield event_pb2.Delta(reasoning=text)
    for text in _cut(delta.text, limit_bytes):
        yield event_pb2.Delta(text=text)
    part, size = event_pb2.Delta(), 0
    for call in delta.tool_calls:
        for piece in _call_pieces(call, limit_bytes):
            if size and size + piece.ByteSize() > limit_bytes:
                yield part
                part, size = event_pb2.Delta(), 0
            part.tool_calls.append(piece)
            size += piece.ByteSize()
    if size:
        yield part


def _call_pieces(call: event_pb2.ToolCallDelta, limit_bytes: int) -> Iterator[event_pb2.ToolCallDelta]:
    """Yields a piece of a call in several; the first has all that is no text to append."""
    first, *others = _cut(call.arguments_json, limit_bytes) or [""]
    head = event_pb2.ToolCallDelta()
    head.CopyFrom(call)
    head.arguments_json = first
    yield head
    for text in others:
        yield event_pb2.ToolCallDelta(index=call.index, arguments_json=text)


def _cut(text: str, limit_bytes: int) -> list[str]:
    data, begin = text.encode(), 0
    cut: list[str] = []
    while begin < len(data):
        cut.append(data[begin : begin + limit_bytes].decode(errors="ignore"))
        begin += len(cut[-1].encode())
    return cut


def bounded(attempts: Sequence[job_pb2.Attempt]) -> list[job_pb2.Attempt]:
    """Returns the attempts for a job's end: of very many, some from the middle are left out."""
    sizes = [attempt.ByteSize() for attempt in attempts]
    if sum(sizes) <= _ATTEMPTS_BYTES:
        return list(attempts)
    first, last = _fitting(zip(attempts, sizes, strict=True)), _fitting(zip(attempts[::-1], sizes[::-1], strict=True))
    return [*first, *last[::-1]]


def _fitting(sized: Iterable[tuple[job_pb2.Attempt, int]]) -> list[job_pb2.Attempt]:
    room = _ATTEMPTS_BYTES // 2
    fitting: list[job_pb2.Attempt] = []
    for attempt, size in sized:
        room -= size
        if room < 0:
            break
        fitting.append(attempt)
    return fitting


async def write_end(writer: EventSink, done: event_pb2.Done, begins_at: int) -> event_pb2.Done:
    """Writes a job's end, and returns what was written: if it is too large for the log, without the answer.

    `begins_at` is the sequence of `accepted`. What readers were sent is taken back then. Raises Fenced.
    """
    try:
        await writer.append(done)
    except EventTooLarge as error:
        await writer.append(event_pb2.Rewound(to_sequence=begins_at))
        done = _without_answer(done, error)
        await writer.append(done)
    return done


def _without_answer(done: event_pb2.Done, why: EventTooLarge) -> event_pb2.Done:
    brief = event_pb2.Done()
    brief.CopyFrom(done)
    brief.ClearField("answer")
    brief.text_hash = text_hash("")
    brief.answer.provider, brief.answer.provider_model = done.answer.provider, done.answer.provider_model
    brief.answer.usage.CopyFrom(done.answer.usage)
    if done.state == job_pb2.JOB_STATE_SUCCEEDED:
        brief.state = job_pb2.JOB_STATE_FAILED
        brief.ClearField("cache_hit")
        message = f"{why.message}: the operator lowers max_answer_bytes, or raises nats-server's max_payload"
        brief.error.CopyFrom(job_pb2.JobError(reason=error_pb2.ERROR_REASON_ANSWER_TOO_LARGE, message=message))
    return brief
