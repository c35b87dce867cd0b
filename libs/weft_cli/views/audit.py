"""Shows the operator's calls to people."""

from collections.abc import Iterable

from rich.console import RenderableType

from weft.gateway.v1 import audit_pb2 as pb
from weft_cli.views.durations import moment
from weft_cli.views.layout import columns, or_none


def audit_table(events: Iterable[pb.AuditEvent]) -> RenderableType:
    """Returns a table of who called what, about which tenant, with which outcome."""
    table = columns("time", "call", "tenant", "key", "outcome", "operator", "from", wraps={"time", "outcome"})
    for event in events:
        # A token that was not the operator's has no fingerprint.
        who = event.operator or "unknown"
        table.add_row(
            moment(event.time),
            event.method.rpartition("/")[2],
            event.tenant,
            event.key_id,
            _outcome(event),
            who,
            event.address,
        )
    return or_none(table, "no calls")


def _outcome(event: pb.AuditEvent) -> str:
    told = event.code or "no end is known"
    if event.reason and event.reason != event.code:
        told += f", {event.reason}"
    return f"{told}, and {event.unrecorded:,} refused before it" if event.unrecorded else told
