"""How much a run measures: whole, in twenty minutes, or quick, in two."""

from dataclasses import dataclass, field


@dataclass
class RunSize:
    """Durations and counts of a run. `repeats` is how many disturbed measurements may be made again, in all."""

    rounds: int = 2
    replicas: tuple[int, ...] = (1, 2, 4)
    closed_s: float = 4.0
    open_s: float = 10.0
    idle_s: float = 8.0
    tenants: tuple[int, ...] = (10, 100, 1000)
    tenants_s: float = 24.0
    paced_s: float = 12.0
    streams: int = 1000
    settle_s: float = 7.0
    repeats: int = 6
    is_quick: bool = field(default=False)

    @classmethod
    def quick(cls) -> "RunSize":
        """Returns the least that shows that everything works."""
        return cls(
            rounds=1,
            replicas=(1, 2),
            closed_s=0.5,
            open_s=1.5,
            idle_s=1.0,
            tenants=(10, 50),
            tenants_s=2.0,
            paced_s=1.0,
            streams=100,
            settle_s=0.2,
            repeats=0,
            is_quick=True,
        )

    @property
    def tries(self) -> int:
        """How often the next measurement may be made."""
        return 1 + min(1, self.repeats)

    def made(self, tries: int) -> None:
        """Notes how often one was made."""
        self.repeats -= tries - 1
