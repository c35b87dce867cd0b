"""What `python -m bench` measures: a section is a module with `measure`, and a line in this table."""

from collections.abc import Awaitable, Mapping
from typing import Final, Protocol

from bench.report.document import Section
from bench.sections import cost, delay, idle, recovery, retained, routing, throughput


class Measure(Protocol):
    """Measures, and returns what the report says of it."""

    def __call__(self, *, quick: bool) -> Awaitable[Section]: ...


SECTIONS: Final[Mapping[str, Measure]] = {
    "cost": cost.measure,
    "recovery": recovery.measure,
    "throughput": throughput.measure,
    "delay": delay.measure,
    "retained": retained.measure,
    "idle": idle.measure,
    "routing": routing.measure,
}
"""The sections by the name that `--only` takes, in the order of the report."""
