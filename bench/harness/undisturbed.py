"""Repeats a measurement if others used too much of the machine meanwhile, and reports how much they used."""

import resource
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from bench.harness.processes import HostLoad, Meter
from bench.report.document import Section
from bench.report.markdown import paragraph

MOST_PERCENT = 3.0
"""How much of the machine's CPU time others may use, steal included."""

Watch = Callable[[], Callable[[], float]]
"""Starts watching the others, and returns a function for the percentage that they used."""
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Quietest(Generic[_Result]):
    """The least disturbed of several measurements, what others took meanwhile, and how many there were."""

    result: _Result
    percent: float
    tries: int


async def undisturbed(measure: Callable[[], Awaitable[Section]], tries: int, others: Watch | None = None) -> Section:
    """Returns the least disturbed of up to `tries` measurements, with a line more that says how disturbed it was."""
    found = await least_disturbed(measure, tries, others or _others)
    of_several = f": the least of {found.tries} tries" if found.tries > 1 else ""
    took = f"Others took {found.percent:.1f} % of the machine's CPU time meanwhile{of_several}."
    return replace(found.result, lines=[*found.result.lines, *paragraph(took)])


async def least_disturbed(measure: Callable[[], Awaitable[_Result]], tries: int, others: Watch) -> Quietest[_Result]:
    """Measures up to `tries` times. The first that is quiet enough is the last."""
    runs: list[tuple[float, _Result]] = []
    for _ in range(tries):
        percent = others()
        result = await measure()
        runs.append((percent(), result))
        if runs[-1][0] <= MOST_PERCENT:
            break
    took, result = min(runs, key=lambda run: run[0])
    return Quietest(result, took, len(runs))


def others_than(pids: Mapping[str, int]) -> Watch:
    """Returns a watch on all but these processes and this one, which all run on while it watches."""

    def watch() -> Callable[[], float]:
        host, ours = HostLoad(), Meter(pids)
        return lambda: host.stolen_percent() + host.others_percent(ours.cpu_seconds())

    return watch


def _others() -> Callable[[], float]:
    host, before_s = HostLoad(), _own_cpu_s()

    def percent() -> float:
        return host.stolen_percent() + host.others_percent({"own": _own_cpu_s() - before_s})

    return percent


def _own_cpu_s() -> float:
    """Returns the CPU seconds of this process and of its children that have ended, with theirs."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
