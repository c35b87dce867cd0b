"""The `weft` command line."""

from pathlib import Path
from typing import Annotated

import typer

from weft_client import failures
from weft_client.access import Access
from weft_client.commands import asking, cache, documents, jobs, mesh, operations, providers, tenants, webhooks
from weft_client.session import Session

_EXIT_CODES = (failures.__doc__ or "").partition("\n\n")[2]

app = typer.Typer(
    help="LLM calls as durable, resumable, observable jobs. The options below stand before the command's name.",
    epilog=f"Exit codes:\n\n{_EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for part in (mesh, asking, jobs, documents, webhooks, providers, cache, operations, tenants):
    app.add_typer(part.app)


@app.callback()
def session(
    context: typer.Context,
    endpoint: Annotated[
        str, typer.Option(envvar="WEFT_ENDPOINT", help="Gateway, host:port; several as ip:port,ip:port.")
    ] = "",
    key: Annotated[str, typer.Option(envvar="WEFT_API_KEY", help="API key.")] = "",
    operator_token: Annotated[
        str, typer.Option(envvar="WEFT_OPERATOR_TOKEN", help="For `weft keys` and `weft tenants`.")
    ] = "",
    state: Annotated[Path, typer.Option(envvar="WEFT_STATE", help="State folder of a local mesh.")] = Path(".weft"),
) -> None:
    context.obj = Session(Access(endpoint, key, operator_token), state)
