"""What the mesh itself knows in the end: read from the stream, from PostgreSQL, and from each gateway."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import psycopg
from nats.aio.client import Client
from tests.chaos.account import Reading
from tests.chaos.reader import Reader

from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.job.v1 import event_pb2, job_pb2
from weft_client.connection import Connection
from weft_kit.joblog import LogConfig, envelope_of
from weft_kit.joblog.events.codec import StoredEvent, stored
from weft_kit.rpc.errors import WeftError

_AT_ONCE = 24
_PATIENCE_S = 20.0


@dataclass(frozen=True)
class Row:
    """A job in PostgreSQL: its state, its end as recorded, and what it is charged with."""

    state: job_pb2.JobState.ValueType
    done: event_pb2.JobEvent | None
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass
class Evidence:
    """Everything about all jobs, by job id."""

    logged: dict[str, list[StoredEvent]] = field(default_factory=dict)
    """The job's messages in the order of the stream."""
    recorded: dict[str, Row] = field(default_factory=dict)
    told: dict[str, list[job_pb2.Job | str]] = field(default_factory=dict)
    """GetJob of each gateway, or why it failed."""
    late: dict[str, Reading] = field(default_factory=dict)
    """A reader who came when all was over."""
    delivered: dict[int, list[str]] = field(default_factory=dict)
    """The webhook ids that arrived, by order."""


async def read_log(client: Client, config: LogConfig | None = None) -> dict[str, list[StoredEvent]]:
    """Reads every message of the stream, in its order."""
    config = config or LogConfig()
    jobs: dict[str, list[StoredEvent]] = defaultdict(list)
    stream = client.jetstream()
    last = (await stream.stream_info(config.stream)).state.last_seq
    subscription = await stream.subscribe(f"{config.prefix}.>", ordered_consumer=True)
    try:
        sequence = 0
        while sequence < last:
            message = await subscription.next_msg(timeout=20)
            sequence = message.metadata.sequence.stream
            found = stored(message.data, message.headers or {}, sequence)
            jobs[found.event.job_id].append(found)
    finally:
        await subscription.unsubscribe()
    return dict(jobs)


async def read_record(postgres_url: str) -> dict[str, Row]:
    """Reads the rows of all jobs."""
    async with await psycopg.AsyncConnection.connect(postgres_url) as session:
        found = await session.execute("SELECT job_id, state, done, prompt_tokens, completion_tokens FROM jobs")
        return {
            job_id: Row(state, event_pb2.JobEvent.FromString(done) if done else None, prompt_tokens, completion_tokens)
            async for job_id, state, done, prompt_tokens, completion_tokens in found
        }


async def ask_gateways(evidence: Evidence, gateways: dict[str, list[Connection]]) -> None:
    """Asks each gateway for each job, and reads each job once more from one of them."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def ask(job_id: str, connections: Sequence[Connection]) -> None:
        async with turns:
            evidence.told[job_id] = [await _get(connection, job_id) for connection in connections]
            reader = Reader(connections, random.Random(job_id), _PATIENCE_S)
            await reader.follow(job_id)
            evidence.late[job_id] = reader.reading

    await asyncio.gather(*(ask(job_id, gateways[tenant]) for job_id, tenant in _tenants(evidence.logged.items())))


def _tenants(logged: Iterable[tuple[str, list[StoredEvent]]]) -> list[tuple[str, str]]:
    return [(job_id, envelope_of(messages[0].event).tenant) for job_id, messages in logged]


async def _get(connection: Connection, job_id: str) -> job_pb2.Job | str:
    stub = rpc.GatewayServiceStub(connection.raw)
    try:
        return (await connection.ask(stub.GetJob, pb.GetJobRequest(job_id=job_id))).job
    except WeftError as failure:
        return repr(failure)
