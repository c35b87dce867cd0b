"""One call in flight: what Weft adds to the mock's own time to first token."""

from dataclasses import dataclass

from bench.harness.load import Call, Run
from bench.report.markdown import table
from bench.report.samples import Several


@dataclass(frozen=True)
class Overhead:
    """Time to first token, ms, a value a round."""

    direct_p50_ms: Several
    added_p50_ms: Several
    added_p99_ms: Several
    calls: int
    errors: int

    @classmethod
    def of(cls, pairs: list[tuple[Run, Run]]) -> "Overhead":
        return cls(
            Several.of(without.first_token_ms(0.5) for _, without in pairs),
            Several.of(through.first_token_ms(0.5) - without.first_token_ms(0.5) for through, without in pairs),
            Several.of(through.first_token_ms(0.99) - without.first_token_ms(0.99) for through, without in pairs),
            sum(len(through.outcomes) for through, _ in pairs),
            sum(len(through.errors) for through, _ in pairs),
        )

    def lines(self) -> list[str]:
        return [
            "### One call in flight",
            "",
            *table(
                ("", "first token, ms"),
                [
                    ("the mock itself, p50", f"{self.direct_p50_ms:.1f}"),
                    ("Weft adds at p50", f"{self.added_p50_ms:.1f}"),
                    ("Weft adds at p99", f"{self.added_p99_ms:.1f}"),
                ],
            ),
            f"{self.calls} calls, {self.errors} errors; Weft and the mock took turns.",
            "",
        ]


async def overhead(weft: Call, direct: Call, calls: int, rounds: int) -> Overhead:
    """Weft and the mock take turns, call by call, so that noise falls on both alike."""
    pairs: list[tuple[Run, Run]] = []
    for _ in range(rounds):
        through, without = Run(), Run()
        for _ in range(calls):
            through.outcomes.append(await weft())
            without.outcomes.append(await direct())
        pairs.append((through, without))
    return Overhead.of(pairs)
