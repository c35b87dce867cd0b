"""Promise 2: one `done`, one record, one charge, one webhook, though two workers believe that the job is theirs.

That the log itself refuses a fenced writer: tests/kit/joblog/test_joblog.py. Here the writers are processes: one is
frozen with SIGSTOP until the other has finished the job, and then goes on as if nothing had been.
"""

import asyncio
import json

import psycopg
import pytest
from tests.durability.environment import Environment
from tests.durability.ledger import said_by_mock, succeeded
from tests.durability.nats_proxy import Moment, NatsProxy, Trap
from tests.support.waiting import until
from tests.support.webhook_receiver import WebhookReceiver

from weft_client.requests import chat

pytestmark = pytest.mark.asyncio(loop_scope="package")

WRONG_LAST_SEQUENCE = 10071


@pytest.mark.parametrize(("kind", "nth"), [("started", 1), ("delta", 4), ("done", 1)])
async def test_a_worker_that_was_frozen_changes_nothing_when_it_goes_on(
    brisk: Environment, kind: str, nth: int
) -> None:
    prompt = f"frozen when it writes {kind}"
    text = said_by_mock(prompt, 30)
    over = asyncio.Event()

    async def freeze(proxy: NatsProxy) -> None:
        """Holds back what the worker was about to write, too: it reaches the log when the job is over."""
        brisk.behind(proxy).pause()
        await over.wait()

    async with WebhookReceiver().running() as receiver:
        trap = Trap(kind, Moment.BEFORE, freeze, nth, cuts=False)
        with brisk.armed(brisk.routers, trap):
            async with brisk.client() as weft:
                request = chat(prompt, model="short")
                request.webhook_url = receiver.url
                job = await weft.submit(request)
            before = await succeeded(brisk, job.job_id, text)
            await until("the webhook", lambda: not receiver.posts.empty())
            over.set()
            await asyncio.wait_for(trap.sprung.wait(), 20)
            await brisk.mend()
            answer = json.loads(await until("the log's answer to the one that was frozen", lambda: trap.answer))
        after = await succeeded(brisk, job.job_id, text)

        assert answer["error"]["err_code"] == WRONG_LAST_SEQUENCE
        assert after.events == before.events
        assert after.row == before.row
        assert [receiver.posts.get_nowait().webhook_id for _ in range(receiver.posts.qsize())] == [job.job_id]
        assert await _deliveries(brisk, job.job_id) == 1


async def _deliveries(environment: Environment, job_id: str) -> int:
    async with await psycopg.AsyncConnection.connect(environment.postgres.url) as session:
        cursor = await session.execute("SELECT count(*) FROM webhook_deliveries WHERE job_id = %s", [job_id])
        (count,) = await cursor.fetchone() or (0,)
        return int(count)
