"""weft providers, models."""

from typing import Annotated

import typer

from weft.common.v1 import catalog_pb2
from weft_cli.commands.default_list_group import ListsByDefault
from weft_cli.commands.examples import examples
from weft_cli.errors import FAILED, reporting, warn
from weft_cli.session import AsJson, Session, present
from weft_cli.views.durations import moment
from weft_cli.views.mesh import refused_catalog
from weft_cli.views.providers import checks_table, models_table, providers_table

app = typer.Typer()
providers = typer.Typer(help="Providers: show how they are doing, and check them.", cls=ListsByDefault)
app.add_typer(providers, name="providers")


@providers.command("list", epilog=examples("providers", "providers list --model default"))
@reporting
async def list_providers(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="Only providers that serve this model alias.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Show how providers are doing, as one router sees it; `list` may be omitted: `weft providers`."""
    async with Session.of(context).client() as weft:
        found = await weft.list_providers(model)
    _warn_of(found.catalog)
    present(found.providers, providers_table, as_json=as_json)


@providers.command(epilog=examples("providers check", "providers check local openai"))
@reporting
async def check(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Only these providers.")] = None,
    *,
    as_json: AsJson = False,
) -> int:
    """Check now whether each provider answers and accepts its key; exit code 1 if one cannot be used.

    Needs the operator's token.
    """
    async with Session.of(context).operator() as operator:
        found = await operator.check_providers(names or ())
    present(found, checks_table, as_json=as_json)
    return FAILED if any(one.HasField("error") for one in found) else 0


@app.command(epilog=examples("models", "models --json"))
@reporting
async def models(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the model aliases that a request may name."""
    async with Session.of(context).client() as weft:
        found = await weft.list_models()
    _warn_of(found.catalog)
    present(found.models, models_table, as_json=as_json)


def _warn_of(catalog: catalog_pb2.CatalogStatus) -> None:
    """Warns on stderr that what follows does not come from the catalog on disk."""
    if catalog.problem_count:
        refused, taken = moment(catalog.refuse_time), moment(catalog.load_time)
        found = refused_catalog(catalog.problem_count, refused, taken, is_last_good=catalog.is_last_good)
        warn(f"{found}; `weft status` on the mesh's machine lists them, `weft catalog check FILE` anywhere")
