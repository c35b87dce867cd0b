"""weft cache."""

from typing import Annotated

import typer

from weft_cli.commands.examples import examples
from weft_cli.errors import CommandMisused, reporting
from weft_cli.session import (
    AsJson,
    Session,
    out,
    present,
)
from weft_cli.views.cache import cache_stats
from weft_cli.views.json_output import print_json

app = typer.Typer()
cache = typer.Typer(help="The answer cache: show statistics, delete answers.", no_args_is_help=True)
app.add_typer(cache, name="cache")


@cache.command(epilog=examples("cache stats", "cache stats --json"))
@reporting
async def stats(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Show how often the cache answered, what that saved, and how often it was wrong."""
    async with Session.of(context).client() as weft:
        found = await weft.cache_stats()
    present(found, cache_stats, as_json=as_json)


@cache.command(
    epilog=examples(
        "cache invalidate --tag prices",
        "cache invalidate --collection handbook --document a.md",
        "cache invalidate --all",
    )
)
@reporting
async def invalidate(
    context: typer.Context,
    tag: Annotated[str, typer.Option(help="Only answers with this tag.")] = "",
    model: Annotated[str, typer.Option(help="Only answers of this model alias.")] = "",
    collection: Annotated[str, typer.Option("--collection", "-c", help="Only answers based on this collection.")] = "",
    document: Annotated[
        list[str] | None, typer.Option(help="Only answers based on this document of the collection; repeatable.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All answers of the tenant.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete stored answers: those that match all of the options given."""
    if everything == bool(tag or model or collection or document):
        raise CommandMisused("say which answers: --tag, --model, --collection, --document, or --all alone")
    if document and not collection:
        raise CommandMisused("--document needs --collection: documents are told by both")
    async with Session.of(context).client() as weft:
        forgotten = await weft.forget_answers(tag=tag, model=model, collection=collection, document_ids=document or ())
    if as_json:
        print_json(dict[str, object](invalidated=forgotten))
    else:
        out().print(f"{forgotten:,} answers forgotten" if forgotten != 1 else "1 answer forgotten")
