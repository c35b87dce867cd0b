"""What was aimed at beside what was reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.report.markdown import paragraph, table

_SAID: Final = {True: "yes", False: "**no**", None: "not measured"}


@dataclass(frozen=True, slots=True)
class Aim:
    """One aim; `met` is None where what it needs was not measured."""

    wanted: str
    reached: str
    met: bool | None


def section(found: Sequence[Aim], about: str) -> list[str]:
    """Writes the table at the top of a report."""
    rows = [(aim.wanted, aim.reached, _SAID[aim.met]) for aim in found]
    return ["## Aims", "", *paragraph(about), *table(("aim", "reached", "met"), rows, words=3)]
