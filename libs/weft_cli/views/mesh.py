"""Shows a mesh on this machine to people: its parts, what is wrong with them, and the catalogs they follow."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from weft_cli.views.layout import columns

_ADVICE = {
    "paused": "it was stopped by SIGSTOP; `kill -CONT {pid}` lets it go on",
    "ended": "the mesh stops when a part ends: `weft up` starts it again",
}


def mesh_status_table(status: Mapping[str, Any]) -> RenderableType:
    """Returns a table of what `weft_compose.status` found, given as plain values."""
    table = columns("part", "address", "pid", "health", "cpu", "memory")
    for part in status["parts"]:
        health = Text(part["health"], style="green" if part["healthy"] else "red")
        use = (f"{part['cpu_percent']:.0f} %", f"{part['rss_bytes'] / 1e6:.0f} MB")
        table.add_row(part["name"], part["address"], str(part["pid"]), health, *use)
    logs = "".join(f"logs in {folder}\n" for folder in {Path(part["log"]).parent for part in status["parts"]})
    return Group(Text(f"gateway {status['endpoint']}, launcher pid {status['launcher_pid']}\n{logs}"), table)


def mesh_warnings(status: Mapping[str, Any]) -> list[Text]:
    """Returns a line for each problem, not to be wrapped: they contain paths to look up."""
    return [warning for part in status["parts"] for warning in (*_illness(part), *_catalog(part))]


def mistakes(count: int) -> str:
    return f"{count} mistake{'' if count == 1 else 's'}"


def refused_catalog(count: int, refused: str, taken: str, *, is_last_good: bool) -> str:
    """Returns a line that says the file on disk is refused, for how many mistakes, and which catalog is in force."""
    instead = "the last good one" if is_last_good else f"the one taken at {taken}"
    return f"the catalog has {mistakes(count)}, refused at {refused}; {instead} is in force until it is corrected"


def _illness(part: Mapping[str, Any]) -> Iterator[Text]:
    if part["healthy"]:
        return
    why = _ADVICE.get(part["health"], "").format(pid=part["pid"]) or part["why"] or f"its log is {part['log']}"
    yield Text(f"{part['name']}, {part['health']}: {why}", style="red")


def _catalog(part: Mapping[str, Any]) -> Iterator[Text]:
    """Yields what this part found wrong with the catalog."""
    catalog = part["catalog"] or {}
    if problems := catalog.get("problems"):
        refused, taken = _moment(catalog["refuse_time"]), _moment(catalog["load_time"])
        line = refused_catalog(len(problems), refused, taken, is_last_good=catalog["is_last_good"])
        yield Text(f"{part['name']}: {line}:", style="yellow")
        yield from (Text(f"  {problem}") for problem in problems)
    if catalog.get("keep_error"):
        line = f"{part['name']}: should the catalog break, it could not start again: {catalog['keep_error']}"
        yield Text(line, style="yellow")


def _moment(unix_s: float) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M:%S} UTC"
