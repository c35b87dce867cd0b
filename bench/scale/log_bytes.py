"""What a job leaves in the log: its messages and their bytes, of the kinds that stay and of tokens."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass

from bench.scale.scaled_mesh import ScaledMesh
from nats.js import JetStreamContext

from weft.job.v1 import event_pb2
from weft_kit.joblog import connect

_JOBS = {"default": 20, "paced": 4}


@dataclass(frozen=True)
class LogUse:
    """A job in the log, on average: bytes are what the store counts, less prompt and answer."""

    messages: float
    deltas: float
    event_bytes: float
    delta_bytes: float


async def log_use(mesh: ScaledMesh) -> Mapping[str, LogUse]:
    """Makes a few jobs of each model, and reads what they left."""
    return {model: await _use(mesh, model, jobs) for model, jobs in _JOBS.items()}


async def _use(mesh: ScaledMesh, model: str, jobs: int) -> LogUse:
    async with connect(mesh.env.nats_url, "bench") as client, mesh.calls(model=model) as call:
        jetstream, stream = client.jetstream(), mesh.env.log.stream
        before = (await jetstream.stream_info(stream)).state
        await asyncio.gather(*(call() for _ in range(jobs)))
        after = (await jetstream.stream_info(stream)).state
        found = [await _read(jetstream, stream, n) for n in range(before.last_seq + 1, after.last_seq + 1)]
    # The store's own bytes a message are the same for all.
    own = (after.bytes - before.bytes - sum(message.bytes for message in found)) / len(found)
    deltas = [message for message in found if message.is_delta]
    events = [message for message in found if not message.is_delta]
    return LogUse(
        len(found) / jobs,
        len(deltas) / jobs,
        sum(message.bytes + own - message.text_bytes for message in events) / jobs,
        sum(message.bytes + own - message.text_bytes for message in deltas) / len(deltas),
    )


@dataclass(frozen=True)
class _Message:
    is_delta: bool
    bytes: int
    text_bytes: int


async def _read(jetstream: JetStreamContext, stream: str, sequence: int) -> _Message:
    # From the leader: another server may not have it yet.
    got = await jetstream.get_msg(stream, sequence)
    data, headers, subject = got.data or b"", base64.b64decode(got.hdrs or b""), got.subject or ""
    event = event_pb2.JobEvent.FromString(data)
    prompt = sum(len(part.text) for message in event.accepted.request.messages for part in message.parts)
    text_bytes = prompt + len(event.delta.text) + len(event.done.answer.text)
    return _Message(event.HasField("delta"), len(subject) + len(headers) + len(data), text_bytes)
