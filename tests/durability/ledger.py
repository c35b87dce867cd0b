"""What log and record say of a job once it is over, and what must hold for every one."""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row
from tests.durability.environment import TENANT, Environment
from tests.support.transcript import text_of
from tests.support.waiting import until

from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import Depth, JobGone, text_hash
from weft_kit.rpc.errors import DependencyDown
from weft_mock import Script
from weft_mock.chat import answer_tokens


@dataclass(frozen=True)
class Ending:
    """A job that is over: its events in the log, and its row in the record."""

    events: list[event_pb2.JobEvent]
    row: dict[str, Any]

    @property
    def done(self) -> event_pb2.Done:
        return self.events[-1].done

    @property
    def kinds(self) -> list[str]:
        return [event.WhichOneof("event") or "" for event in self.events]

    def starts(self) -> list[event_pb2.Started]:
        return [event.started for event in self.events if event.HasField("started")]


async def ending(environment: Environment, job_id: str, tenant: str = TENANT) -> Ending:
    """Waits until a job is done, given back by its worker and recorded; checks that it ended once, and the same
    everywhere. The tenant must have no other job under way.
    """
    await until(f"{job_id} is done", lambda: _is_done(environment, job_id))
    await until(f"no worker holds {job_id}", lambda: _is_idle(environment, tenant))
    row = await until(f"{job_id} is in the record", lambda: _row(environment, job_id))
    # Read last: whatever a late writer still managed to add would be here.
    found = Ending(await environment.log.events(job_id), row)
    assert found.kinds[0] == "accepted"
    assert found.kinds.count("done") == 1
    assert found.kinds[-1] == "done"
    done, usage = found.done, found.done.total_usage
    assert done.text_hash == text_hash(done.answer.text)
    assert text_of(found.events) == done.answer.text
    assert (row["state"], row["prompt_tokens"], row["completion_tokens"]) == (
        done.state,
        usage.prompt_tokens,
        usage.completion_tokens,
    )
    assert event_pb2.JobEvent.FromString(row["done"]) == found.events[-1]
    return found


async def succeeded(environment: Environment, job_id: str, text: str, tenant: str = TENANT) -> Ending:
    """Waits for the same, and checks that the job succeeded with this text."""
    found = await ending(environment, job_id, tenant)
    assert found.done.state == job_pb2.JOB_STATE_SUCCEEDED, found.done
    assert found.done.answer.text == text
    return found


def said_by_mock(prompt: str, tokens: int) -> str:
    """What the mock answers to a prompt, in so many tokens."""
    return "".join(answer_tokens(Script(tokens=tokens), [{"role": "user", "content": prompt}]))


async def _is_done(environment: Environment, job_id: str) -> bool:
    try:
        last = await environment.log.last(job_id)
    except (DependencyDown, JobGone):
        return False
    return last is not None and last.HasField("done")


async def _is_idle(environment: Environment, tenant: str) -> bool:
    try:
        return await environment.log.depth(tenant) == Depth(0, 0)
    except DependencyDown:
        return False


async def _row(environment: Environment, job_id: str) -> dict[str, Any] | None:
    """The job's row once its end is in it; there cannot be two, for the id is its key."""
    try:
        async with await psycopg.AsyncConnection.connect(environment.postgres.url, row_factory=dict_row) as session:
            cursor = await session.execute("SELECT * FROM jobs WHERE job_id = %s AND done IS NOT NULL", [job_id])
            return await cursor.fetchone()
    except psycopg.OperationalError:
        return None
