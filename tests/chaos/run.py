"""One run: a seed, a mesh, the clients, the blows, the peace afterwards, and what it all came to."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import psycopg
from tests.chaos.clients import Clients
from tests.chaos.environment import Environment, environment
from tests.chaos.evidence import Evidence, ask_gateways, read_log, read_record
from tests.chaos.fault_runner import run_faults
from tests.chaos.ledger import Verdict, judge
from tests.chaos.orders import TENANTS, draw_orders
from tests.chaos.report import Outcome, table
from tests.chaos.schedule import draw_schedule

from weft_kit.joblog import JobLog, connect
from weft_kit.rpc.errors import DependencyDown

Tell = Callable[[str], None]

_PEACE_S = 90.0
_LOOK_EVERY_S = 1.0
_UNRECORDED = "SELECT count(*) FROM jobs WHERE done IS NULL"
_UNDELIVERED = "SELECT count(*) FROM webhook_deliveries WHERE next_time IS NOT NULL"


@dataclass(frozen=True)
class Size:
    """How much of everything: orders, the seconds over which they come, and blows (None: all there are)."""

    orders: int = 2000
    seconds: float = 130.0
    blows: int | None = None


async def run(seed: int, size: Size, root: Path, tell: Tell) -> tuple[Outcome, Verdict]:
    """Does a whole run in a folder, where its logs stay, and tells of it as it goes."""
    schedule = draw_schedule(seed, size.seconds, size.blows)
    orders = draw_orders(seed, size.orders, size.seconds)
    tell(f"seed {seed}: {len(orders)} orders in {size.seconds:.0f} s, {len(schedule)} blows; logs: {root}/logs")
    tell("\n".join(map(str, schedule)))
    began = monotonic()
    async with environment(root) as built:
        tell(f"(the mesh is up after {monotonic() - began:.0f} s)")
        async with Clients(built.gateways, built.keys, built.receiver.url) as clients:
            async with asyncio.TaskGroup() as both:
                asking = both.create_task(clients.ask(orders))
                faults = both.create_task(run_faults(built, schedule))
            tell(f"(every client has its answers after {monotonic() - began:.0f} s)")
            await _peace(built, tell)
            evidence = await _gathered(built, clients)
    outcome = Outcome(asking.result(), faults.result(), evidence)
    verdict = judge(outcome.accounts, outcome.evidence)
    tell(table(outcome, verdict))
    return outcome, verdict


async def _peace(built: Environment, tell: Tell) -> None:
    """Waits until nothing is left to do, or for as long as anything may take."""
    began, waiting = monotonic(), "nothing"
    async with connect(built.nats_url, "chaos") as client:
        log = JobLog(client, built.log)
        while (left := await _left(log, built.postgres_url)) and monotonic() - began < _PEACE_S:
            waiting = left
            await asyncio.sleep(_LOOK_EVERY_S)
    tell(f"(peace after {monotonic() - began:.0f} s, in the end waiting for {waiting})")


async def _left(log: JobLog, postgres_url: str) -> str:
    """Names what is still to be done; empty when there is nothing."""
    with suppress(DependencyDown):
        if unfinished := sum([(await log.depth(tenant)).unfinished for tenant in TENANTS]):
            return f"{unfinished} jobs to end"
        async with await psycopg.AsyncConnection.connect(postgres_url) as session:
            for what, query in (("ends to be recorded", _UNRECORDED), ("webhooks to arrive", _UNDELIVERED)):
                row = await (await session.execute(query)).fetchone()
                if row != (0,):
                    return f"{row[0] if row else 'all'} {what}"
        return ""
    return "nats"


async def _gathered(built: Environment, clients: Clients) -> Evidence:
    evidence = Evidence(delivered=dict(built.receiver.taken))
    async with connect(built.nats_url, "chaos") as client:
        evidence.logged = await read_log(client, built.log)
    evidence.recorded = await read_record(built.postgres_url)
    await ask_gateways(evidence, clients.gateways)
    return evidence
