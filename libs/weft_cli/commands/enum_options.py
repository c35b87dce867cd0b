"""Values of the contract's enums as command-line options."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from weft_cli.errors import CommandMisused

ValueT = TypeVar("ValueT", bound=int)
Value_co = TypeVar("Value_co", bound=int, covariant=True)


class Completes(Protocol):
    """Completes a word on the command line."""

    def __call__(self, incomplete: str) -> list[str]: ...


class Enum(Protocol[Value_co]):
    """A generated enum."""

    def items(self) -> Sequence[tuple[str, Value_co]]: ...


def choices(enum: Enum[ValueT], prefix: str) -> dict[str, ValueT]:
    """Returns the choices by name: JOB_STATE_FAILED is `failed`, and the unspecified value is left out."""
    return {name.removeprefix(prefix).lower(): value for name, value in enum.items() if value}


def completing(values: Iterable[str]) -> Completes:
    """Returns the shell completion of these names."""
    return lambda incomplete: [name for name in values if name.startswith(incomplete.lower())]


def chosen(kind: str, values: Mapping[str, ValueT], names: Iterable[str] | None) -> list[ValueT]:
    """Returns the values with these names.

    Raises:
        CommandMisused: there is no value with such a name.
    """
    names = [name.lower() for name in names or ()]
    for name in names:
        if name not in values:
            raise CommandMisused(f"no such {kind}: {name}; choose from {', '.join(values)}")
    return [values[name] for name in names]
