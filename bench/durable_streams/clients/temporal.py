"""A worker and a reader of Temporal's Workflow Streams, chosen by the second argument: `ADDRESS worker|reader`."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import timedelta

from bench.durable_streams.clients.protocol import (
    ENDED,
    READING,
    Received,
    bounded,
    claim_stdout,
    now_us,
    paced,
    received_answer,
    serve,
)
from bench.durable_streams.clients.protocol import Answer as Reply
from bench.durable_streams.clients.temporal_answer import RETRY, TASK_QUEUE, TOKEN, Answer, Plan
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.contrib.workflow_streams import WorkflowStreamClient
from temporalio.service import RPCError
from temporalio.worker import Worker

_AT_ONCE = 512
_AWAY_S = 0.1
_CONNECT_TRIES = 100
_COLLECT_S = 10.0
# The interval that Temporal's guide uses for LLM output.
_BATCH = timedelta(milliseconds=200)
_LOST = (RPCError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError)


@activity.defn
async def produce_tokens(plan: Plan) -> int:
    """Publishes the tokens. A retry first tells readers to drop earlier tokens, as in Temporal's guide."""
    attempt = activity.info().attempt
    client = WorkflowStreamClient.from_within_activity(batch_interval=_BATCH)
    async with client:
        if attempt > 1:
            client.topic(RETRY, type=int).publish(attempt, force_flush=True)
        tokens = client.topic(TOKEN, type=int)
        async for produced in paced(plan.rate, plan.tokens):
            tokens.publish(produced)
            activity.heartbeat()
    return plan.tokens


class TemporalReader:
    """The reader's commands: it starts each workflow and subscribes to its stream."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def fill(self, stream: str, rate: float, tokens: int) -> AsyncIterator[Reply]:
        handle = await self._client.start_workflow(Answer.run, Plan(rate, tokens), id=stream, task_queue=TASK_QUEUE)
        await handle.result()
        kinds = [event.event_type async for event in handle.fetch_history_events()]
        yield {"records": kinds.count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)}

    async def read(
        self,
        streams: Sequence[str],
        rate: float,
        tokens: int,
        spread_s: float,
        limit_s: float,
        *,
        started: bool = False,
    ) -> AsyncIterator[Reply]:
        received = [Received() for _ in streams]
        yield READING

        async def one(n: int, stream: str) -> None:
            await asyncio.sleep(n / len(streams) * spread_s)
            if not started:
                plan = Plan(rate, tokens)
                await self._client.start_workflow(Answer.run, plan, id=stream, task_queue=TASK_QUEUE)
            await self._follow(stream, tokens, received[n])

        await bounded((one(n, stream) for n, stream in enumerate(streams)), limit_s)
        yield ENDED
        yield received_answer(received)

    async def collect(self, streams: Sequence[str]) -> AsyncIterator[Reply]:
        """Reads each stream again from the beginning."""
        found = {stream: Received() for stream in streams}
        await bounded((self._follow(stream, sys.maxsize, received) for stream, received in found.items()), _COLLECT_S)
        yield {"produced_us": {stream: received.produced_us for stream, received in found.items()}}

    async def _follow(self, stream: str, tokens: int, received: Received) -> None:
        client, offset = WorkflowStreamClient.create(self._client, stream), 0
        while received.kept < tokens:
            try:
                async for item in client.subscribe([TOKEN, RETRY], offset, result_type=int):
                    offset = item.offset + 1
                    if item.topic == RETRY:
                        received.kept = 0
                    else:
                        received.add([item.data], now_us())
                    if received.kept == tokens:
                        return
            except _LOST:
                await asyncio.sleep(_AWAY_S)
            else:
                received.wrong = "the workflow ended before its answer"
                return


async def _connected(address: str) -> Client:
    for _ in range(_CONNECT_TRIES):
        with suppress(RuntimeError, RPCError):  # it listens before its namespace exists
            client = await Client.connect(address)
            await client.count_workflows()
            return client
        await asyncio.sleep(_AWAY_S)
    raise SystemExit(f"temporal does not answer on {address}")


async def main(address: str, role: str) -> None:
    # The SDK's core logs to standard output.
    answers = claim_stdout()
    client = await _connected(address)
    if role == "reader":
        reader = TemporalReader(client)
        await serve({"fill": reader.fill, "read": reader.read, "collect": reader.collect}, answers)
        return
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[Answer],
        activities=[produce_tokens],
        max_concurrent_activities=_AT_ONCE,
    )
    async with worker:
        await serve({}, answers)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
