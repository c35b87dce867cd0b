"""Where the time to the first token goes: each job's own events tell when it passed the parts of the mesh."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from bench.harness.awake import cores_awake
from bench.harness.client import GatewayClient, connected
from bench.harness.environment import FIRST_TOKEN_MS, Environment
from bench.harness.load import Call
from bench.report.markdown import paragraph, table
from bench.report.samples import quantile

from weft.job.v1 import event_pb2
from weft_kit.joblog import connect
from weft_kit.joblog.connection.frugal_client import FrugalClient

ALIAS: Final = "stamped"
SCRIPT: Final = "stamp=1"

_STEPS: Final = (
    ("client, gateway", "call, authentication, limits, validation, until `accepted` is sent"),
    ("log", "`accepted` is stored"),
    ("log, router", "the job reaches a worker, a route is chosen, until `started` is sent"),
    ("log", "`started` is stored"),
    ("router, provider", f"request, until the first token leaves the provider, less its own {FIRST_TOKEN_MS} ms"),
    ("router", "the token arrives and is read, until its `delta` is sent"),
    ("log", "`delta` is stored"),
    ("log, gateway, client", "the log passes it on, until the client has it"),
)

_ABOUT: Final = """\
Jobs one after the other, their way cut into steps by the clock that all processes of this machine share: the time in
each event is its writer's, the time at which it is stored is nats-server's, and the token itself is the time at which
the provider sent it. Each row has its own median, so they do not add up exactly."""


@dataclass(frozen=True)
class Path:
    """The milliseconds of each step, for each job; of all steps while the cores are kept awake; and what parts of the
    way take alone, in the same minute.
    """

    steps_ms: Sequence[Sequence[float]]
    awake_ms: Sequence[float]
    write_ms: Sequence[float]
    passthrough_ms: float

    def lines(self) -> list[str]:
        """Returns this part of the section."""
        rows = [
            (where, what, *(f"{quantile(found, share):.2f}" for share in (0.5, 0.9)))
            for (where, what), found in zip(_STEPS, zip(*self.steps_ms, strict=True), strict=True)
        ]
        totals = [sum(steps) for steps in self.steps_ms]
        whole = ("", "**added to the provider's time**", *(f"{quantile(totals, share):.2f}" for share in (0.5, 0.9)))
        return [
            "### Where the time to the first token goes",
            "",
            *paragraph(_ABOUT),
            *table(("where", "what", "p50, ms", "p90, ms"), [*rows, whole], words=2),
            *paragraph(
                f"Alone, at p50: an acknowledged write by a client that does nothing else takes "
                f"{quantile(self.write_ms, 0.5):.2f} ms, and the pass-through, which is one Python process with gRPC "
                f"on one side and HTTP on the other, adds {self.passthrough_ms:.2f} ms to the provider's first token. "
                f"With the cores kept awake, by processes that anything else goes before, all steps together take "
                f"{quantile(self.awake_ms, 0.5):.2f} ms."
            ),
        ]


async def measure_path(env: Environment, bare: Call, direct: Call, calls: int) -> Path:
    """Makes calls one after the other, and reads from the log when their events were stored."""
    async with connected(env.endpoint, env.api_key) as client, connect(env.nats_url, "bench") as log:
        steps = [await _steps_ms(client, log, env.log.stream) for _ in range(calls)]
        async with cores_awake():
            awake = [sum(await _steps_ms(client, log, env.log.stream)) for _ in range(calls)]
        writes = [await _write_ms(log, env.log.prefix) for _ in range(calls)]
    added = [(await bare()).first_token_s - (await direct()).first_token_s for _ in range(calls)]
    return Path(steps, awake, writes, 1000 * quantile(added, 0.5))


async def _steps_ms(client: GatewayClient, log: FrugalClient, stream: str) -> list[float]:
    began, received = time.time_ns(), 0
    events: dict[str, event_pb2.JobEvent] = {}
    async for event in client.generate(ALIAS):
        if event.HasField("delta") and not received:
            received = time.time_ns()
        events.setdefault(event.WhichOneof("event") or "", event)
    return [(after - before) / 1e6 for before, after in pairwise(await _moments(began, events, received, log, stream))]


async def _moments(
    began: int, events: Mapping[str, event_pb2.JobEvent], received: int, log: FrugalClient, stream: str
) -> list[int]:
    """Returns the moments between the steps, in ns; those after the provider without its own time."""
    first_token = int(events["delta"].delta.text.split()[0])
    moments = [began]
    for name in ("accepted", "started"):
        moments += [events[name].time.ToNanoseconds(), await _stored_ns(log, stream, events[name].sequence)]
    delta = events["delta"]
    later = (first_token, delta.time.ToNanoseconds(), await _stored_ns(log, stream, delta.sequence), received)
    return [*moments, *(moment - FIRST_TOKEN_MS * 1_000_000 for moment in later)]


async def _stored_ns(log: FrugalClient, stream: str, sequence: int) -> int:
    """Returns when nats-server stored a message."""
    question = json.dumps({"seq": sequence}).encode()
    answer = json.loads((await log.request(f"$JS.API.STREAM.MSG.GET.{stream}", question, timeout=5)).data)
    return round(datetime.fromisoformat(answer["message"]["time"]).timestamp() * 1e9)


async def _write_ms(log: FrugalClient, prefix: str) -> float:
    """Returns how long an acknowledged write takes; it expires after a second."""
    began = time.perf_counter()
    await log.request(f"{prefix}.probe", b"", timeout=5, headers={"Nats-TTL": "1s"})
    return 1000 * (time.perf_counter() - began)
