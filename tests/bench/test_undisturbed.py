"""A section that others disturbed is measured again, and the report says what they took."""

from collections.abc import Callable, Sequence

from bench.harness.undisturbed import undisturbed
from bench.report.document import Section


async def measured(percents: list[float], tries: int = 3) -> tuple[Sequence[str], int]:
    """Returns the report of measurements beside which others took so much, and how many were made."""
    made = 0

    async def measure() -> Section:
        nonlocal made
        made += 1
        return Section([f"run {made}"])

    def others() -> Callable[[], float]:
        return lambda: percents[made - 1]

    return (await undisturbed(measure, tries, others)).lines, made


async def test_a_quiet_measurement_stands() -> None:
    lines, made = await measured([2.9])
    assert made == 1
    assert lines == ["run 1", "Others took 2.9 % of the machine's CPU time meanwhile.", ""]


async def test_a_disturbed_one_is_made_again() -> None:
    lines, made = await measured([12.0, 0.4])
    assert made == 2
    assert lines[:2] == ["run 2", "Others took 0.4 % of the machine's CPU time meanwhile: the least of 2 tries."]


async def test_where_it_is_never_quiet_the_least_disturbed_counts() -> None:
    lines, made = await measured([12.0, 5.0, 8.0])
    assert made == 3
    assert lines[:2] == ["run 2", "Others took 5.0 % of the machine's CPU time meanwhile: the least of 3 tries."]
