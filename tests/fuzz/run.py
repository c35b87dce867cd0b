"""One run: a mesh, a world to name, the calls, the memory afterwards, and what it all came to."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final

import psutil
from tests.fuzz.calling import Identities, Outcome, Shot, channels, fire
from tests.fuzz.messages import Messages
from tests.fuzz.targets import Target, World, targets
from tests.fuzz.values import Values
from tests.fuzz.verdict import SECRET, Finding, judge, table
from tests.support.waiting import until

from weft.retrieval.v1 import retrieval_pb2
from weft_client.client import WeftClient
from weft_client.keys import KeyClient
from weft_client.requests import chat
from weft_compose.launcher import Launch, RunningMesh, mesh
from weft_compose.plan import SERVICES, Ports
from weft_compose.state import StateFolder
from weft_kit.rpc.context import TENANT_KEY

Tell = Callable[[str], None]

TENANT, NEIGHBOUR = "fuzzed", "neighbour"
MEMORY_LEFT_MB: Final = 50.0
"""What the gateway may hold more, once all is over, than before."""

_AT_ONCE: Final = 12
_WARM_UP: Final = 300
_CALM_S: Final = 60.0
_JOBS: Final = 10
_NO_LIMIT: Final = 10_000_000
_CATALOG = """
[providers.engine]
kind = "inference"
target = "${WEFT_INFERENCE_TARGET}"

[models.default]
routes = [{ provider = "engine" }]
context_tokens = 2048
max_output_tokens = 64
"""


@dataclass(frozen=True)
class Report:
    """What became of a run. `grown_mb` is what each part's memory grew by, above what it had after warming up."""

    outcomes: list[Outcome]
    grown_mb: dict[str, float]
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.findings and self.grown_mb["gateway"] < MEMORY_LEFT_MB


async def run(calls: int, seed: int, root: Path, tell: Tell) -> Report:
    """Starts a mesh in a folder, makes the calls that a seed stands for, and judges what came back."""
    launch = _launch(root)
    async with mesh(launch, lambda _part, _seconds: None) as running:
        world, identities, neighbour = await _furnished(running)
        addresses = {service: launch.ports.address(service) for service in SERVICES}
        async with channels(addresses) as at:
            await fire(shots(world, _WARM_UP, seed + 1_000_003), at, identities, at_once=_AT_ONCE)
            before = await _calm(running)
            began = monotonic()
            outcomes = await fire(shots(world, calls, seed), at, identities, at_once=_AT_ONCE)
            tell(f"{table(outcomes)}; {monotonic() - began:.0f} s in all")
        after = await _calm(running, before["gateway"] + MEMORY_LEFT_MB)
        await _still_at_work(running, neighbour)
    grown = {part: after[part] - before[part] for part in after}
    tell("memory in MB: " + ", ".join(f"{part} {before[part]:.0f} {grown[part]:+.0f}" for part in grown))
    return Report(outcomes, grown, judge(outcomes))


def shots(world: World, calls: int, seed: int) -> Iterator[Shot]:
    """Draws the calls of a seed: each RPC as often as any other."""
    random = Random(seed)
    messages = Messages(random, Values(random, world.names))
    every = targets(world)
    for number in range(calls):
        target = every[number % len(every)]
        way, request = messages.draw(target.method.input_type, target.real)
        yield Shot(number, target, way, request, _identity(random, target))


def _identity(random: Random, target: Target) -> str:
    if random.random() < 0.05:
        return random.choice(("nobody", "odd"))
    if target.part != "gateway":
        return "inside"
    return "operator" if target.is_operators else "tenant"


def _launch(root: Path) -> Launch:
    catalog = root / "catalog.toml"
    catalog.write_text(_CATALOG)
    settings = {
        "gateway": {"address_calls_per_minute": "0"},
        "inference": {"echo_tokens_per_s": "1000", "slots": "256"},
    }
    return Launch(StateFolder(root / "state"), Ports.counted_from(0), catalog, engine="echo", settings=settings)


async def _furnished(running: RunningMesh) -> tuple[World, Identities, str]:
    """Gives both tenants something to find, and returns it with the ways to call and the neighbour's key."""
    record = running.record
    async with KeyClient(record.endpoint, record.operator_token) as keys:
        mine, spare, theirs = [await keys.create(name, "fuzz", _NO_LIMIT) for name in (TENANT, TENANT, NEIGHBOUR)]
    await _inhabited(record.endpoint, theirs.secret, SECRET)
    jobs, ingest = await _inhabited(record.endpoint, mine.secret, "nothing to hide")
    identities: Identities = {
        "tenant": _bearer(mine.secret),
        "operator": _bearer(record.operator_token),
        "nobody": (),
        "odd": (("authorization", "Bearer " + "x" * 3_000), ("baggage", "y" * 3_000)),
        "inside": ((TENANT_KEY, TENANT),),
    }
    return World("fees", "fees.md", jobs, ingest, spare.key.key_id), identities, theirs.secret


async def _inhabited(endpoint: str, secret: str, text: str) -> tuple[tuple[str, ...], str]:
    """Leaves documents, answered jobs and an ingest job with a text of a tenant's own; returns the jobs' ids."""
    async with WeftClient(endpoint, secret) as weft:
        await weft.documents.ensure_collection("fees")
        await weft.documents.ingest("fees", "fees.md", f"# Fees\n\nThe mooring fee is nine marks. {text}".encode())
        generations = [weft.run(chat(f"{number}? {text}", labels={"note": text[:60]})) for number in range(_JOBS)]
        for generation in generations:
            async for _ in generation:
                pass
        document = retrieval_pb2.Document(document_id="rates.md", content=f"Rates: {text}".encode())
        ingest = await weft.ingests.begin("fees", [document])
        await weft.ingests.wait(ingest.job_id)
        return tuple(generation.job_id for generation in generations), ingest.job_id


async def _still_at_work(running: RunningMesh, neighbour: str) -> None:
    """Sees a neighbour's job through, from its question to the record, after all that was sent."""
    async with WeftClient(running.record.endpoint, neighbour) as weft:
        generation = weft.run(chat("And now?"))
        async for _ in generation:
            pass

        async def on_record() -> bool:
            return generation.job_id in {job.job_id for job in await weft.jobs(5) if job.HasField("end_time")}

        await until("the job is on record", on_record, _CALM_S)


def _bearer(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


async def _calm(running: RunningMesh, wanted_gateway_mb: float = 0.0) -> dict[str, float]:
    """Returns the memory of each service, once it no longer shrinks, or the gateway's is as small as wanted."""
    until, last = monotonic() + _CALM_S, _memory(running)
    while monotonic() < until:
        await asyncio.sleep(1.0)
        now = _memory(running)
        if now["gateway"] <= wanted_gateway_mb or (not wanted_gateway_mb and now["gateway"] >= last["gateway"] - 0.5):
            return now
        last = now
    return last


def _memory(running: RunningMesh) -> dict[str, float]:
    """Returns each service's own memory in MB, with that of its processes."""
    found = {}
    for service in SERVICES:
        child = running.part(service).child
        assert child is not None
        assert child.exit_code is None, f"{service} has ended"
        process = psutil.Process(child.pid)
        found[service] = sum(one.memory_full_info().uss for one in (process, *process.children(recursive=True))) / 1e6
    return found
