"""What a durable, streamed job costs: in milliseconds, streams per second, CPU and memory."""

from typing import Final

from bench.harness.environment import FIRST_TOKEN_MS, TOKENS, EnvironmentSpec, environment
from bench.harness.load import closed_loop, direct_call, weft_call
from bench.harness.processes import Meter
from bench.report.document import Section
from bench.report.markdown import paragraph, table
from bench.sections.cost.arrivals import Arrivals, arrivals_lines, measure_arrivals, measure_bare_ms
from bench.sections.cost.latency import measure_overhead
from bench.sections.cost.path import ALIAS, SCRIPT, measure_path
from bench.sections.cost.saturation import measure_saturation, saturation_aims, saturation_lines

_HELD: Final = (10_000, 20_000)
"""Calls a minute that are held for a whole minute; aims are set for them."""

ABOUT = f"""\
Every job is `Generate` over gRPC: authenticated, rate-limited, validated, committed to the log, run by a worker over
HTTP, every token committed and fenced, recorded in PostgreSQL. The mock takes {FIRST_TOKEN_MS} ms to the first token of
{TOKENS}, then is as fast as it can. The request names no temperature, so the cache is not asked, and no collection, so
retrieval is not either."""


async def measure(*, quick: bool) -> Section:
    seconds, rounds, minute = (1.5, 1, 4) if quick else (10, 3, 60)
    async with (
        environment(EnvironmentSpec({ALIAS: SCRIPT})) as env,
        weft_call(env.endpoint, env.api_key) as weft,
        weft_call(env.passthrough, "") as bare,
        direct_call(env.mock_url) as direct,
    ):
        for call in (weft, bare):
            await closed_loop(call, 16, 1 if quick else 2)  # imports, pools and caches warm
        meter = Meter(env.pids)
        alone = await measure_overhead(weft, direct, 40 if quick else 200, rounds)
        path = await measure_path(env, bare, direct, 20 if quick else 200)
        full = [await measure_saturation(meter, weft, bare, in_flight, seconds, rounds) for in_flight in (64, 256)]
        held: dict[int, tuple[Arrivals, float]] = {}
        for rate in (2_500, 5_000, *_HELD):
            held_s = minute if rate in _HELD else minute / 2
            bare_ms = await measure_bare_ms(meter, bare, rate, held_s)
            held[rate] = await measure_arrivals(meter, weft, direct, rate, held_s), bare_ms
        resident = meter.resident_mib()
    aims = [
        *saturation_aims(full),
        alone.aim(3),
        held[10_000][0].aim_of_cpu(3),
        held[10_000][0].aim_of_p99(15),
        held[20_000][0].aim_of_p99(60),
    ]
    return Section(
        [
            "## What a job costs",
            "",
            *paragraph(ABOUT),
            *alone.lines(),
            *path.lines(),
            *saturation_lines(full),
            *arrivals_lines(tuple(held.values())),
            "### Resident memory after that",
            "",
            *table(("process", "MiB"), [(name, f"{mib:.0f}") for name, mib in resident.items()]),
        ],
        aims,
    )
