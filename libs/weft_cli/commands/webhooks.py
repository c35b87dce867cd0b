"""weft webhooks."""

from typing import Annotated

import typer

from weft.gateway.v1 import webhook_pb2 as pb
from weft_cli.commands.enum_options import choices, chosen, completing
from weft_cli.commands.examples import examples
from weft_cli.errors import reporting
from weft_cli.session import (
    AsJson,
    Session,
    out,
    present,
)
from weft_cli.views.json_output import print_json
from weft_cli.views.webhooks import deliveries_list, masked, secrets_table

app = typer.Typer()
webhooks = typer.Typer(help="Webhooks: their deliveries, and the secrets that sign them.", no_args_is_help=True)
app.add_typer(webhooks, name="webhooks")
_STATES = choices(pb.DeliveryState, "DELIVERY_STATE_")
Show = Annotated[bool, typer.Option("--show", help="Print the secrets in full.")]


@webhooks.command("list", epilog=examples("webhooks list --state failed", "webhooks list --job JOB"))
@reporting
async def list_deliveries(
    context: typer.Context,
    job_id: Annotated[str, typer.Option("--job", help="Only the delivery of this job.")] = "",
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="Only deliveries in this state: pending, delivered or failed; repeatable.",
            autocompletion=completing(_STATES),
        ),
    ] = None,
    limit: Annotated[int, typer.Option(help="How many to list, newest first.", min=1)] = 20,
    *,
    as_json: AsJson = False,
) -> None:
    """List deliveries, each with its tries."""
    states = chosen("state", _STATES, state)
    async with Session.of(context).client() as weft:
        found = await weft.webhooks.deliveries(limit, job_id=job_id, states=states)
    present(found, deliveries_list, as_json=as_json)


@webhooks.command(epilog=examples("webhooks redeliver JOB"))
@reporting
async def redeliver(
    context: typer.Context,
    job_id: Annotated[str, typer.Argument(help="The job's id.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Send a job's webhook again, at once and with a new series of tries."""
    async with Session.of(context).client() as weft:
        found = await weft.webhooks.redeliver(job_id)
    if as_json:
        print_json(found)
    else:
        out().print(deliveries_list([found]))


@webhooks.command(epilog=examples("webhooks secrets --show"))
@reporting
async def secrets(context: typer.Context, *, show: Show = False, as_json: AsJson = False) -> None:
    """List the secrets that sign webhooks now, newest first."""
    async with Session.of(context).client() as weft:
        found = list(await weft.webhooks.secrets())
    _show_secrets(found, show=show, as_json=as_json)


@webhooks.command(epilog=examples("webhooks rotate --overlap-hours 48 --show"))
@reporting
async def rotate(
    context: typer.Context,
    overlap_hours: Annotated[
        float, typer.Option(help="Hours that the previous secret goes on signing.", min=0, max=168)
    ] = 24.0,
    *,
    show: Show = False,
    as_json: AsJson = False,
) -> None:
    """Create a new secret."""
    async with Session.of(context).client() as weft:
        found = list(await weft.webhooks.rotate(overlap_hours * 3600))
    _show_secrets(found, show=show, as_json=as_json)


def _show_secrets(found: list[pb.WebhookSecret], *, show: bool, as_json: bool) -> None:
    if as_json:
        for one in found if not show else ():
            one.secret = masked(one.secret)
        print_json(found)
        return
    out().print(secrets_table(found, show=show))
    if not show:
        out().print("--show prints the secrets themselves")
