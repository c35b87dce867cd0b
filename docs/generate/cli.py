"""docs/reference/cli.md: commands and their options, from the typer app."""

from collections.abc import Iterator
from typing import Any, Final

from docs.generate.page import code, number, page_of, plain, prose, rows_under
from rich.text import Text
from typer import Context
from typer.main import get_command

from weft_cli.app import app

_LEAD: Final = """`weft --help`, and `--help` after any command, show the same in a terminal."""
_SHARED: Final = "session_"
_KINDS: Final = {"str": "TEXT", "int": "INTEGER", "float": "NUMBER", "Path": "FILE"}
_COMMAND: Final[Any] = get_command(app)
_CONTEXT: Final = Context(_COMMAND)


def page() -> str:
    """Returns the page."""
    options = [option for option in _COMMAND.params if not option.hidden]
    shared = [option for option in options if option.name.startswith(_SHARED)]
    return page_of(
        "Command line",
        _LEAD,
        ["## Options of every command", "", "They may come before or after a command's name.", "", *_options(shared)],
        ["## Options of `weft` alone", "", *_options([option for option in options if option not in shared])],
        ["## Exit codes", "", *_exit_codes(_COMMAND.epilog or "")],
        *(_section(inner, f"weft {name}", 2) for name, inner in _inner(_COMMAND)),
    )


def _inner(command: Any) -> Iterator[tuple[str, Any]]:
    found: dict[str, Any] = getattr(command, "commands", {})
    return ((name, one) for name, one in found.items() if not one.hidden)


def _section(command: Any, name: str, depth: int) -> list[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one not in arguments and not one.hidden]
    lines = [f"{'#' * depth} {name}", "", *_paragraphs(command.help or "")]
    if not getattr(command, "commands", {}):
        lines += ["```", *_calls(command.epilog or "", name, command), "```", ""]
        lines += rows_under(("Argument", "Meaning"), ((code(_name(one)), plain(one.help or "")) for one in arguments))
        lines += _options([one for one in options if not one.name.startswith(_SHARED)])
    return [*lines, *(line for inner, one in _inner(command) for line in _section(one, f"{name} {inner}", depth + 1))]


def _paragraphs(text: str) -> list[str]:
    shown = Text.from_markup(text.partition("\f")[0]).plain
    return [line for part in shown.split("\n\n") for line in prose(" ".join(part.split()))]


def _calls(epilog: str, name: str, command: Any) -> list[str]:
    """Returns the examples below a command's help, or how it is called where it has none."""
    shown = Text.from_markup(epilog).plain.splitlines()
    calls = [line.strip() for line in shown if line.startswith("  ")]
    return calls or [" ".join((name, *(_name(one) for one in command.params if one.param_type_name == "argument")))]


def _options(options: list[Any]) -> list[str]:
    return rows_under(("Option", "Value", "Default", "Meaning"), map(_row, options))


def _row(option: Any) -> tuple[str, ...]:
    names = ", ".join(map(code, [*option.opts, *option.secondary_opts]))
    meaning = plain(option.help or "")
    if option.envvar:
        meaning = f"{meaning} Variable: {code(option.envvar)}."
    return names, _value(option), _default(option), meaning.strip()


def _value(option: Any) -> str:
    if option.is_flag or option.count:
        return ""
    bounds = [f"{sign} {number(bound)}" for sign, bound in (("≥", option.min), ("≤", option.max)) if bound is not None]
    return f"{code(_metavar(option))}{', ' if bounds else ''}{' and '.join(bounds)}"


def _metavar(option: Any) -> str:
    """Returns what is to be written behind an option; those that may repeat say so in their text."""
    kind: str = option.display_type(_CONTEXT).strip("<>").removesuffix(" range")
    kind = kind.removeprefix("list[").rstrip("]")
    return option.metavar or _KINDS.get(kind, kind)


def _name(argument: Any) -> str:
    name: str = argument.metavar or argument.display_name_raw.upper()
    return f"{name}..." if argument.nargs != 1 else name


def _default(option: Any) -> str:
    value = option.default
    if not option.show_default or value in (None, "", (), []) or isinstance(value, bool) or callable(value):
        return ""
    return code(number(value) if isinstance(value, int | float) else str(getattr(value, "value", value)))


def _exit_codes(epilog: str) -> list[str]:
    lines = [line.split(None, 1) for line in Text.from_markup(epilog).plain.splitlines()]
    return rows_under(("Code", "Meaning"), ((code(line[0]), line[1]) for line in lines if line and line[0].isdigit()))
