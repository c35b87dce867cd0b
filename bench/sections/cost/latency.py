"""The latency that Weft adds to the mock's own with one call in flight."""

from dataclasses import dataclass

from bench.harness.load import Call, Run
from bench.report.document import Aim
from bench.report.markdown import table
from bench.report.samples import Samples


@dataclass(frozen=True)
class Overhead:
    """Time to first token with one call in flight, in milliseconds, with a value for each round."""

    direct_p50_ms: Samples
    added_p50_ms: Samples
    added_p99_ms: Samples
    calls: int
    errors: int

    @classmethod
    def of(cls, pairs: list[tuple[Run, Run]]) -> "Overhead":
        """Returns the overhead from a pair of runs for each round: through Weft, and without it."""
        return cls(
            Samples.of(without.first_token_ms(0.5) for _, without in pairs),
            Samples.of(through.first_token_ms(0.5) - without.first_token_ms(0.5) for through, without in pairs),
            Samples.of(through.first_token_ms(0.99) - without.first_token_ms(0.99) for through, without in pairs),
            sum(len(through.outcomes) for through, _ in pairs),
            sum(len(through.errors) for through, _ in pairs),
        )

    def lines(self) -> list[str]:
        """Returns this part of the section."""
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

    def aim(self, most_ms: float) -> Aim:
        """Returns the aim for what is added to the first token at the median."""
        wanted = f"first token with one call in flight: at most {most_ms:g} ms added at p50"
        return Aim(wanted, f"{self.added_p50_ms:.1f}", self.added_p50_ms.median <= most_ms)


async def measure_overhead(weft: Call, direct: Call, calls: int, rounds: int) -> Overhead:
    """Calls Weft and the mock in turn, so that noise affects both alike."""
    pairs: list[tuple[Run, Run]] = []
    for _ in range(rounds):
        through, without = Run(), Run()
        for _ in range(calls):
            through.outcomes.append(await weft())
            without.outcomes.append(await direct())
        pairs.append((through, without))
    return Overhead.of(pairs)
