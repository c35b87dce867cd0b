"""weft up, down, status, logs, demo: a local mesh."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from weft_cli.commands.examples import examples
from weft_cli.commands.path_arguments import existing_path
from weft_cli.demo import QUESTION, demonstrate
from weft_cli.errors import FAILED, CommandFailed, reporting
from weft_cli.session import AsJson, Session, out
from weft_cli.views.json_output import print_json
from weft_cli.views.logs import show_logs
from weft_cli.views.mesh import mesh_status_table, mesh_warnings
from weft_compose.errors import LaunchError
from weft_inference.engines.registry import DEFAULT_ENGINE, EngineName
from weft_kit.extras import how_to_install

# The launcher needs the packages of the extra `embedded`, and time to import, so only these commands import it.
if TYPE_CHECKING:
    from weft_compose.launcher import RunningMesh
    from weft_compose.parts import Part

app = typer.Typer()
BasePort = Annotated[
    int, typer.Option(help="Port of the gateway; the other ports follow it. 0: any free ports.", min=0, max=65_500)
]
Engine = Annotated[EngineName, typer.Option(envvar="WEFT_INFERENCE_ENGINE", help="Engine that runs the model.")]
Catalog = Annotated[
    Path | None,
    typer.Option(
        help="Catalog of providers and models. Default: compose/weft.toml.", parser=existing_path, metavar="FILE"
    ),
]


@app.command(epilog=examples("up", "up --base-port 9600 --catalog weft.toml", "up --engine echo --state /tmp/weft"))
@reporting
async def up(
    context: typer.Context, base_port: BasePort = 7600, engine: Engine = DEFAULT_ENGINE, catalog: Catalog = None
) -> None:
    """Start a mesh here and keep it running; Ctrl-C drains and stops it."""
    session = Session.of(context)
    with _told(), _draining_on_signals():
        try:
            async with _launched(session, base_port, engine, catalog) as running:
                line = "the mesh is up: try [bold]weft ask[/bold] in another terminal; Ctrl-C drains and stops it"
                out().print(line, markup=True)
                await running.until_broken()
        except asyncio.CancelledError:
            out().print(f"stopped; state stays in {session.state}", soft_wrap=True)


@app.command(epilog=examples("down", "down --state /tmp/weft"))
@reporting
async def down(context: typer.Context) -> None:
    """Stop the mesh that runs from this state folder."""
    with _told():
        from weft_compose.state import StateFolder
        from weft_compose.stopping import stop_mesh

        began = monotonic()
        stopped = await asyncio.to_thread(stop_mesh, StateFolder(Session.of(context).state))
    out().print(f"stopped {stopped.endpoint} and its {len(stopped.parts)} parts in {monotonic() - began:.1f} s")


@app.command(epilog=examples("status", "status --json"))
@reporting
async def status(context: typer.Context, *, as_json: AsJson = False) -> int:
    """Show the parts of the running mesh and the catalog they follow; exit code 1 if one is not healthy."""
    with _told():
        from weft_compose.state import StateFolder
        from weft_compose.status import mesh_status

        found = await mesh_status(StateFolder(Session.of(context).state))
    if as_json:
        print_json({**asdict(found), "healthy": found.healthy})
    else:
        out().print(mesh_status_table(asdict(found)))
        for warning in mesh_warnings(asdict(found)):
            out().print(warning, soft_wrap=True)
    return 0 if found.healthy else FAILED


@app.command(epilog=examples("logs", "logs router --follow", "logs --run 1 --lines 20"))
@reporting
async def logs(
    context: typer.Context,
    part: Annotated[str, typer.Argument(help="Only the log of this part, such as gateway, router or nats.")] = "",
    run: Annotated[int, typer.Option(help="Which run: 0 is the last, 1 the one before, and so on.", min=0)] = 0,
    lines: Annotated[int, typer.Option(help="How many lines to show of each part, the last ones.", min=0)] = 100,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with lines that are added.")] = False,
) -> None:
    """Show the logs of the mesh's parts, of the last run or one of the five before it."""
    with _told():
        from weft_compose.state import StateFolder

        kept = StateFolder(Session.of(context).state).logs
    named = kept.parts(run)
    if part and part not in named:
        raise CommandFailed(f"no log of {part} in run {run}: there are {_listed(named)}; runs: {_listed(kept.runs())}")
    if not named:
        raise CommandFailed(f"no logs of run {run}; runs: {_listed(kept.runs())}")
    await show_logs({name: kept.of(name, run) for name in ([part] if part else named)}, lines, follow=follow)


def _listed(found: Iterable[object]) -> str:
    return ", ".join(map(str, found)) or "none"


@app.command(epilog=examples("demo", "demo --documents handbook --question 'Who keeps the light?'"))
@reporting
async def demo(
    context: typer.Context,
    question: Annotated[str, typer.Option(help="The question to ask.")] = QUESTION,
    documents: Annotated[
        Path | None,
        typer.Option(
            help="Folder of documents to ingest. Default: compose/demo.", parser=existing_path, metavar="FOLDER"
        ),
    ] = None,
    base_port: BasePort = 7600,
    engine: Engine = DEFAULT_ENGINE,
    catalog: Catalog = None,
) -> int:
    """Start a mesh if none runs, ingest a few documents, ask about them, and stop what was started."""
    session = Session.of(context)
    with _told(), _draining_on_signals():
        from weft_compose.launcher import DEMO_DOCUMENTS

        async with _running_or_launched(session, base_port, engine, catalog), session.client() as weft:
            return await demonstrate(weft, documents or DEMO_DOCUMENTS, question, out())


@asynccontextmanager
async def _running_or_launched(
    session: Session, base_port: int, engine: EngineName, catalog: Path | None
) -> AsyncIterator[None]:
    from weft_compose.state import StateFolder

    known = StateFolder(session.state).read()
    if known and known.is_up():
        out().print(f"using the mesh at {known.endpoint}")
        yield
        return
    async with _launched(session, base_port, engine, catalog):
        yield
        out().print("stopping the mesh")


@asynccontextmanager
async def _launched(
    session: Session, base_port: int, engine: EngineName, catalog: Path | None
) -> AsyncIterator["RunningMesh"]:
    from weft_compose.launcher import DEFAULT_CATALOG, Launch, mesh
    from weft_compose.plan import Ports
    from weft_compose.state import StateFolder

    def healthy(part: "Part", seconds: float) -> None:
        out().print(f"[green]✓[/green] {part.name:<10} {part.address:<16} healthy after {seconds:.1f} s", markup=True)

    launch = Launch(StateFolder(session.state), Ports.counted_from(base_port), catalog or DEFAULT_CATALOG, engine)
    began = monotonic()
    async with mesh(launch, healthy) as running:
        out().print(f"all healthy after {monotonic() - began:.1f} s, gateway at {running.record.endpoint}")
        yield running


@contextmanager
def _told() -> Iterator[None]:
    """Raises CommandFailed for the launcher's errors, and if its packages are missing."""
    try:
        yield
    except LaunchError as failure:
        raise CommandFailed(str(failure)) from None
    except ModuleNotFoundError as missing:
        raise CommandFailed(how_to_install(missing, "embedded")) from None


@contextmanager
def _draining_on_signals() -> Iterator[None]:
    """Cancels this task on SIGINT, SIGTERM and SIGHUP, so that its contexts stop what they started."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def drain() -> None:
        out().print("draining, a second Ctrl-C stops at once")
        if task is not None:
            task.cancel()

    for number in signals:
        loop.add_signal_handler(number, drain)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
