"""Repeats a measurement if others used too much of the machine meanwhile, and reports how much they used."""

import resource
from collections.abc import Awaitable, Callable

from bench.harness.processes import HostLoad
from bench.report.markdown import paragraph

MOST_PERCENT = 3.0
"""How much of the machine's CPU time others may use, steal included."""


async def undisturbed(
    measure: Callable[[], Awaitable[list[str]]], tries: int, others: Callable[[], Callable[[], float]] | None = None
) -> list[str]:
    """Returns the lines of the least disturbed of up to `tries` measurements, and one more on how disturbed it was.

    The first one that is quiet enough is the last. `others` starts watching, and returns a function for the percentage.
    """
    runs: list[tuple[float, list[str]]] = []
    for _ in range(tries):
        percent = (others or _others)()
        lines = await measure()
        runs.append((percent(), lines))
        if runs[-1][0] <= MOST_PERCENT:
            break
    took, lines = min(runs, key=lambda run: run[0])
    of_several = f": the least of {len(runs)} tries" if len(runs) > 1 else ""
    return [*lines, *paragraph(f"Others took {took:.1f} % of the machine's CPU time meanwhile{of_several}.")]


def _others() -> Callable[[], float]:
    host, before_s = HostLoad(), _own_cpu_s()

    def percent() -> float:
        return host.stolen_percent() + host.others_percent({"own": _own_cpu_s() - before_s})

    return percent


def _own_cpu_s() -> float:
    """Returns the CPU seconds of this process and of its children that have ended, with theirs."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
