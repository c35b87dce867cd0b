"""The report: every section under one head that says on which machine, by which command."""

import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import grpc
import psutil
from bench.report.markdown import paragraph

_ABOUT = """\
One machine runs everything: gateway, router, cache, retrieval, inference, nats-server, PostgreSQL, Valkey, the mock
provider and the client. Each section has a mesh of its own, started fresh. A figure with a range is the median of
several rounds and the lowest and highest of them."""


def render(sections: Sequence[Sequence[str]]) -> str:
    """Writes the report as Markdown."""
    head = ["# Weft, measured", "", *paragraph(f"Made by `make bench` on {machine()}."), *paragraph(_ABOUT)]
    return "\n".join([*head, *(line for section in sections for line in section)]).rstrip() + "\n"


def machine() -> str:
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
