"""weft keys, providers, models, cache."""

from typing import Annotated

import typer

from weft_client.failures import reporting
from weft_client.render import cache_stats, keys_table, models_table, print_json, providers_table
from weft_client.session import AsJson, Session, out

app = typer.Typer()
keys = typer.Typer(help="API keys; needs the operator's token.", no_args_is_help=True)
cache = typer.Typer(help="The answer cache.", no_args_is_help=True)
app.add_typer(keys, name="keys")
app.add_typer(cache, name="cache")


@keys.command("create")
@reporting
async def create_key(
    context: typer.Context,
    tenant: Annotated[str, typer.Option(help="Whose key: 1 to 64 of a-z, 0-9 and -.")] = "default",
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    calls_per_minute: Annotated[int, typer.Option(help="0 means the gateway's default.", min=0, max=1_000_000)] = 0,
    *,
    as_json: AsJson = False,
) -> None:
    """Create a key and print its secret, this once."""
    async with Session.of(context).operator() as operator:
        created = await operator.create(tenant, name, calls_per_minute)
    if as_json:
        print_json(created)
    else:
        out().print(created.secret, soft_wrap=True)


@keys.command("list")
@reporting
async def list_keys(
    context: typer.Context,
    tenant: Annotated[str, typer.Option(help="Only this tenant's.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """List keys, newest first."""
    async with Session.of(context).operator() as operator:
        found = [key async for key in operator.list(tenant)]
    if as_json:
        print_json(found)
    else:
        out().print(keys_table(found))


@keys.command("revoke")
@reporting
async def revoke_key(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(help="The key's id, from `weft keys list`.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Make a key useless."""
    async with Session.of(context).operator() as operator:
        revoked = await operator.revoke(key_id)
    if as_json:
        print_json(revoked)
    else:
        within = revoked.effective_within.ToTimedelta().total_seconds()
        out().print(f"{revoked.key.key_id} is revoked; every gateway refuses it within {within:.0f} s")


@app.command()
@reporting
async def providers(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the providers and how they are doing."""
    async with Session.of(context).client() as weft:
        found = await weft.providers()
    if as_json:
        print_json(found)
    else:
        out().print(providers_table(found))


@app.command()
@reporting
async def models(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the model aliases a request may name."""
    async with Session.of(context).client() as weft:
        found = await weft.models()
    if as_json:
        print_json(found)
    else:
        out().print(models_table(found))


@cache.command("stats")
@reporting
async def show_cache_stats(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Show how often the cache answered."""
    async with Session.of(context).client() as weft:
        stats = await weft.cache_stats()
    if as_json:
        print_json(stats)
    else:
        out().print(cache_stats(stats))
