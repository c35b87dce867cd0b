"""Shows webhooks to people, each with its tries, and the secrets in full only when asked."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from weft.gateway.v1 import webhook_pb2 as pb
from weft_cli.views.durations import moment, span
from weft_cli.views.layout import columns

_STYLES = {"DELIVERED": "green", "FAILED": "red", "PENDING": "cyan"}
_PREFIX = "whsec_"


def deliveries_list(deliveries: Iterable[pb.Delivery]) -> RenderableType:
    """Returns each delivery with its tries, oldest first."""
    blocks: list[RenderableType] = []
    for delivery in deliveries:
        blocks.extend((_heading(delivery), _tries(delivery), Text("")))
    return Group(*blocks[:-1]) if blocks else Text("no deliveries", style="dim")


def secrets_table(secrets: Iterable[pb.WebhookSecret], *, show: bool) -> RenderableType:
    table = columns("secret", "made", "signs until", wraps={"made", "signs until"})
    for one in secrets:
        until = moment(one.expire_time) if one.HasField("expire_time") else ""
        table.add_row(one.secret if show else masked(one.secret), moment(one.create_time), until)
    return table


def masked(secret: str) -> str:
    """Returns enough of a secret to tell it from another."""
    return f"{_PREFIX}{secret.removeprefix(_PREFIX)[:4]}…"


def _heading(delivery: pb.Delivery) -> Text:
    state = pb.DeliveryState.Name(delivery.state).removeprefix("DELIVERY_STATE_")
    due = f", next try {moment(delivery.next_try_time)}" if delivery.HasField("next_try_time") else ""
    return Text.assemble(
        (delivery.job_id, "bold"), "  ", (state, _STYLES.get(state, "")), (due, "dim"), f"\n{delivery.url}"
    )


def _tries(delivery: pb.Delivery) -> RenderableType:
    if not delivery.tries:
        return Text("  not tried yet", style="dim")
    table = columns("tried", "answer", "took", "outcome", wraps={"tried", "outcome"})
    for one in delivery.tries:
        table.add_row(moment(one.time), str(one.http_status or ""), span(one.duration), one.outcome)
    return table
