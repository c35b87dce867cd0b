"""weft keys, usage, audit."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from weft_cli.commands.examples import examples
from weft_cli.errors import reporting
from weft_cli.session import (
    AsJson,
    Session,
    out,
    present,
)
from weft_cli.views.audit import audit_table
from weft_cli.views.json_output import print_json
from weft_cli.views.spending import keys_table, usage_table
from weft_client.budgets import budget
from weft_kit.rpc.time import seconds_of

app = typer.Typer()
keys = typer.Typer(help="API keys: create, list or revoke them. Needs the operator's token.", no_args_is_help=True)
app.add_typer(keys, name="keys")

_MOST = 1_000_000_000


def _money(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    # Written so that NaN, too, is out of range.
    if not 0 <= amount <= _MOST or amount != round(amount, 6):
        raise typer.BadParameter(f"{text} is no amount like 2.50: 0 to {_MOST:,}, with 6 decimals at most")
    return amount


@keys.command(
    "create",
    epilog=examples(
        "keys create --tenant acme --name 'the shop'",
        "keys create --tenant acme --tokens-per-minute 90000 --money-per-day 2.50",
    ),
)
@reporting
async def create_key(
    context: typer.Context,
    tenant: Annotated[str, typer.Option(help="Tenant of the key: 1-64 of a-z, 0-9 and -.")] = "default",
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    calls_per_minute: Annotated[
        int, typer.Option(help="Limit on calls. 0: the gateway's default.", min=0, max=1_000_000)
    ] = 0,
    tokens_per_minute: Annotated[
        int, typer.Option(help="Limit on tokens in any minute, prompt and answer. 0: none.", min=0, max=_MOST)
    ] = 0,
    money_per_day: Annotated[
        Decimal,
        typer.Option(
            help="Limit on cost per day, until midnight UTC, in the price list's currency, such as 2.50. 0: none.",
            parser=_money,
        ),
    ] = Decimal(0),
    *,
    as_json: AsJson = False,
) -> None:
    """Create a key and print its secret, which cannot be shown again.

    The limits apply to this key. The tenant's own limits are in the catalog, and apply to all its keys together.
    """
    limits = budget(tokens_per_minute, money_per_day)
    async with Session.of(context).operator() as operator:
        created = await operator.create(tenant, name, calls_per_minute, limits)
    if as_json:
        print_json(created)
    else:
        out().print(created.secret, soft_wrap=True)


@keys.command("list", epilog=examples("keys list", "keys list --tenant acme --json"))
@reporting
async def list_keys(
    context: typer.Context,
    tenant: Annotated[str, typer.Option(help="Only keys of this tenant.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """List keys, newest first."""
    async with Session.of(context).operator() as operator:
        found = [key async for key in operator.list(tenant)]
    present(found, keys_table, as_json=as_json)


@keys.command("revoke", epilog=examples("keys revoke KEY"))
@reporting
async def revoke_key(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(help="The key's id, from `weft keys list`.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Revoke a key, so that every gateway refuses it."""
    async with Session.of(context).operator() as operator:
        revoked = await operator.revoke(key_id)
    if as_json:
        print_json(revoked)
    else:
        within = seconds_of(revoked.effective_within)
        out().print(f"{revoked.key.key_id} is revoked; every gateway refuses it within {within:.0f} s")


@app.command(epilog=examples("audit", "audit --tenant acme --limit 1000 --json"))
@reporting
async def audit(
    context: typer.Context,
    tenant: Annotated[str, typer.Option(help="Only calls about this tenant.")] = "",
    limit: Annotated[int, typer.Option(help="How many to list, newest first.", min=1)] = 20,
    *,
    as_json: AsJson = False,
) -> None:
    """Show calls made with the operator's token, and calls that were refused. Needs the operator's token."""
    async with Session.of(context).operator() as operator:
        found = await operator.audit.newest(limit, tenant)
    present(found, audit_table, as_json=as_json)


@app.command(epilog=examples("usage", "usage --key wk_… --json"))
@reporting
async def usage(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Show what the tenant and this key have spent, and what is left."""
    async with Session.of(context).client() as weft:
        found = await weft.usage()
    present(found, usage_table, as_json=as_json)
