"""What one more costs, as tables: in bench/SCALE.md and in docs/scaling.md."""

from collections.abc import Callable, Mapping

from bench.report.markdown import paragraph, table
from bench.scale.costs import KINDS, Costs, StreamCost


def cost_table(costs: Mapping[int, Costs]) -> list[str]:
    """Returns the costs by kind, and those of the log, for one server and for three."""
    by_kind_rows: list[tuple[str, Callable[[Costs], Mapping[str, float]], str]] = [
        ("a short job, CPU ms", lambda each: each.job_ms, ".2f"),
        ("a further message of tokens, CPU µs", lambda each: each.message_us, ".0f"),
        ("one replica idle, CPU cores", lambda each: each.idle_cores, ".3f"),
        ("one replica, MiB", lambda each: each.resident_mib, ".0f"),
        ("a tenant's empty lane, CPU µs/s", lambda each: each.lane_us, ".1f"),
        ("the same for each further router", lambda each: each.lane_router_us, ".1f"),
        ("a tenant's empty lane, KiB", lambda each: each.lane_kib, ".1f"),
    ]
    rows = [
        (what, f"R{nats}", *(_cell(figures(each), kind, form) for kind in KINDS))
        for what, figures, form in by_kind_rows
        for nats, each in costs.items()
    ]
    whole: list[tuple[str, Callable[[Costs], str]]] = [
        ("messages of a short job", lambda each: f"{each.messages:.1f}"),
        ("its lasting events in the log, without texts, bytes", lambda each: f"{each.event_bytes:,.0f}"),
        ("a message of tokens in the log, without its text, bytes", lambda each: f"{each.delta_bytes:,.0f}"),
        ("read by nats-server for a short job, bytes", lambda each: f"{each.job_read_bytes:,.0f}"),
        ("written by it", lambda each: f"{each.job_written_bytes:,.0f}"),
        ("read for a further message of tokens, bytes", lambda each: f"{each.message_read_bytes:,.0f}"),
        ("written for it", lambda each: f"{each.message_written_bytes:,.0f}"),
        ("the busiest nats-server's share", lambda each: f"{100 * each.busiest_nats:.0f} %"),
        ("a job in the log, memory of each nats-server, KiB", lambda each: f"{each.job_kib:.1f}"),
        ("a recorded job on PostgreSQL's disk, bytes", lambda each: f"{each.row_bytes:,.0f}"),
    ]
    head = ("", *(f"R{nats}" for nats in costs))
    return [
        *table(("", "log", *KINDS), rows, words=2),
        *table(head, [(what, *map(figure, costs.values())) for what, figure in whole]),
    ]


def stream_lines(stream: StreamCost) -> list[str]:
    """Returns what an open stream costs that waits."""
    kib, us = stream.kib, stream.us
    return paragraph(
        f"An open stream that waits takes {kib['gateway']:.0f} KiB and {us['gateway']:.0f} µs of CPU a second in its "
        f"gateway, {kib['nats']:.1f} KiB and {us['nats']:.0f} µs in nats-server (R1)."
    )


def _cell(figures: Mapping[str, float], kind: str, form: str) -> str:
    return f"{figures[kind]:{form}}" if kind in figures else ""
