"""The table of refusals: each row has a source, none hides another, and the documentation shows it as it is."""

from itertools import groupby
from pathlib import Path

from weft.common.v1 import error_pb2
from weft_router.providers.provider import ProviderError, Remedy
from weft_router.providers.refusals import table
from weft_router.providers.refusals.kinds import UNKNOWN, RefusalRow
from weft_router.providers.refusals.table import TABLE

DOCS = Path(__file__).parents[4] / "docs" / "routing.md"


def test_every_row_names_a_public_page() -> None:
    assert all(row.source.startswith("https://") and row.who for row in TABLE)


def test_no_row_is_hidden_by_those_above_it() -> None:
    """A row that names its words alone is reached by them."""
    for row in TABLE:
        for word in row.words if not row.status and row.text is None else ():
            assert table.kind_of(418, {word}, "") is row.kind, word


FOLLOWS = {
    Remedy.NOTHING: "the job fails",
    Remedy.NEXT_ROUTE: "another provider, or another model of this one; once",
    Remedy.ANOTHER_PROVIDER: "another provider",
    Remedy.ANOTHER_ROUTE: "another provider, or another model of this one",
    Remedy.ANOTHER_TRY: "another provider; else the same, after a wait",
}


def docs_table() -> str:
    """What docs/routing.md is to say: the table, by kind, as the code has it."""
    lines = ["| what it means | told by | reason | who is asked next | breaker |", "|---|---|---|---|---|"]
    kinds = [*dict.fromkeys(row.kind for row in TABLE), UNKNOWN]
    for kind in kinds:
        rows = [row for row in TABLE if row.kind is kind]
        told = [*_statuses(rows), *(f"`{word}`" for word in sorted({word for row in rows for word in row.words}))]
        pages = dict.fromkeys((row.who, row.source) for row in rows)
        told += [f"[{who}]({source})" for who, source in pages]
        reason = error_pb2.ErrorReason.Name(kind.reason).removeprefix("ERROR_REASON_")
        says_nothing = ProviderError(kind.reason, "", kind.remedy).is_requests_fault
        breaker = "does not count" if says_nothing else "counts"
        told_by = ", ".join(told) or "every other 4xx"
        lines.append(f"| {kind.meaning} | {told_by} | {reason} | {FOLLOWS[kind.remedy]} | {breaker} |")
    return "\n".join(lines)


def _statuses(rows: list[RefusalRow]) -> list[str]:
    """The statuses that tell by themselves, runs of them as one."""
    alone = sorted({status for row in rows if not row.words and row.text is None for status in row.status})
    runs = [[status for _, status in run] for _, run in groupby(enumerate(alone), lambda pair: pair[1] - pair[0])]
    return [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]


def test_the_documentation_has_the_table_that_the_code_has() -> None:
    assert docs_table() in DOCS.read_text(encoding="utf-8"), f"put this into docs/routing.md:\n{docs_table()}"
