"""weft tenants."""

from typing import Annotated

import typer

from weft.gateway.v1 import tenant_pb2 as pb
from weft_cli.commands.confirmation import Yes, confirm
from weft_cli.commands.examples import examples
from weft_cli.errors import reporting
from weft_cli.session import (
    AsJson,
    Session,
    aside,
    out,
)
from weft_cli.views.json_output import print_json

app = typer.Typer()
tenants = typer.Typer(help="Tenants: delete one with all it has. Needs the operator's token.", no_args_is_help=True)
app.add_typer(tenants, name="tenants")

_COUNTS = {
    "revoked_keys": "keys revoked",
    "cancelled_jobs": "jobs cancelled",
    "deleted_jobs": "jobs deleted",
    "deleted_collections": "collections deleted",
    "invalidated_answers": "cached answers forgotten",
}


@tenants.command("delete", epilog=examples("tenants delete acme", "tenants delete acme --yes --json"))
@reporting
async def delete_tenant(
    context: typer.Context,
    tenant: Annotated[str, typer.Argument(help="The tenant, as `weft keys list` shows it.")],
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete a tenant: its keys, jobs, webhooks and collections, and what the cache holds for it.

    Running jobs are cancelled. If the command is interrupted, run it again: it goes on where it stopped.
    """
    confirm(f"delete {tenant} with all its keys, jobs, documents and answers, for good?", yes=yes)
    total, told = pb.DeleteTenantResponse(), ""
    async with Session.of(context).operator() as operator:
        async for did in operator.tenants.delete(tenant):
            for name in _COUNTS:
                setattr(total, name, getattr(total, name) + getattr(did, name))
            total.complete = did.complete
            if not did.complete and told != (told := _told(total)):
                aside().print(f"{told}; until jobs have stopped and gateways know of the keys…", soft_wrap=True)
    if as_json:
        print_json(total)
    else:
        out().print(f"{tenant} is deleted: {_told(total)}", soft_wrap=True)


def _told(total: pb.DeleteTenantResponse) -> str:
    return ", ".join(f"{what}: {getattr(total, name):,}" for name, what in _COUNTS.items())
