"""A report: the head, which names the machine, and the aims next to what was reached."""

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import grpc
import psutil
from bench.report.markdown import paragraph, table

_ABOUT = """\
One machine runs everything: gateway, router, cache, retrieval, inference, nats-server, PostgreSQL, Valkey, the mock
provider and the client. Each section has a mesh of its own, started fresh. A figure with a range is the median of
several rounds and the lowest and highest of them."""
_AIMS: Final = """\
They were set when a quieter machine held 10,000 a minute with 5 ms added at p50. [README.md](README.md) says of each
that is not met why not."""
_MET: Final = {True: "yes", False: "**no**", None: "not measured"}


@dataclass(frozen=True, slots=True)
class Aim:
    """One aim; `met` is None if what it needs was not measured."""

    wanted: str
    reached: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Section:
    """What a section of `python -m bench` measured: its lines of Markdown, and the aims that its figures decide."""

    lines: Sequence[str]
    aims: Sequence[Aim] = ()


def render(sections: Sequence[Section]) -> str:
    """Returns the report of `python -m bench` as Markdown."""
    head = ["# Weft, measured", "", *paragraph(f"Made by `make bench` on {machine()}."), *paragraph(_ABOUT)]
    aims = aims_section([aim for section in sections for aim in section.aims], _AIMS)
    return "\n".join([*head, *aims, *(line for section in sections for line in section.lines)]).rstrip() + "\n"


def aims_section(aims: Sequence[Aim], about: str) -> list[str]:
    """Returns the table at the top of a report."""
    rows = [(aim.wanted, aim.reached, _MET[aim.met]) for aim in aims]
    return ["## Aims", "", *paragraph(about), *table(("aim", "reached", "met"), rows, words=3)]


def machine() -> str:
    """Returns the machine, the date, and the machine's speed at this moment."""
    began = time.perf_counter()
    sum(range(20_000_000))
    spin_s = time.perf_counter() - began
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "an unnamed CPU")
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{psutil.cpu_count()} cores of {model}, {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, grpcio {grpc.__version__}, {datetime.now(UTC):%Y-%m-%d}. "
        f"The machine is shared and its speed changes: at the end, `sum(range(20_000_000))` took {spin_s:.2f} s"
    )
