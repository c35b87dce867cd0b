"""What is done to the mesh, and when: drawn from a seed, and from nothing else."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """One kind of rough treatment. Those of processes first, then those of links."""

    KILL = "kill"
    """SIGKILL, and a start on the same data once it has been away for a while."""
    FREEZE = "freeze"
    """SIGSTOP, and SIGCONT before anybody counts it as lost."""
    BURY = "bury"
    """The same beyond the ack wait: it comes back as a zombie."""
    RENEW = "renew"
    """SIGTERM, and a start once it is gone: one step of a rolling restart."""
    CUT = "cut"
    """Every connection is reset at once."""
    STALL = "stall"
    """Nothing passes for a while, and nobody is told."""


LENGTHS_S: Mapping[Action, tuple[float, float]] = {
    Action.KILL: (0.0, 4.0),
    Action.FREEZE: (0.5, 4.0),
    Action.BURY: (8.5, 11.0),
    Action.RENEW: (0.0, 0.5),
    Action.CUT: (0.0, 0.0),
    Action.STALL: (1.0, 8.0),
}
"""Shortest and longest time a part is left as it is."""

_SERVICE = (Action.KILL, Action.FREEZE, Action.RENEW)
_HOLDER = (*_SERVICE, Action.BURY)
_LINK = (Action.CUT, Action.CUT, Action.STALL)

TREATMENTS: Mapping[str, Sequence[Action]] = {
    "gateway": _HOLDER,
    "gateway-2": _HOLDER,
    "router": (*_HOLDER, Action.KILL),
    "router-2": (*_HOLDER, Action.KILL),
    "inference": _SERVICE,
    "inference-2": _SERVICE,
    "retrieval": (Action.KILL,),
    "cache": (Action.KILL, Action.FREEZE),
    "nats": (*_SERVICE, Action.KILL),
    "postgres": (*_SERVICE, Action.BURY),
    "valkey": (Action.KILL, Action.FREEZE),
    "mock": (Action.KILL, Action.FREEZE),
    "clients-gateway": _LINK,
    "clients-gateway-2": _LINK,
    "gateways-nats": _LINK,
    "gateways-postgres": (Action.CUT,),
    "routers-nats": _LINK,
    "routers-mock": _LINK,
}
"""Everything that is dealt once in a full run: a part or a link, and what it has to bear."""

_PROCESSES = tuple(part for part, actions in TREATMENTS.items() if Action.KILL in actions)
STORMS = (4, 4, len(_PROCESSES))
"""How many parts are killed at one moment in each storm of a full run: the last one is a power cut."""

_CALM_S = 3.0


@dataclass(frozen=True, order=True)
class Blow:
    """One treatment of one part, which lasts `for_s`."""

    at_s: float
    part: str
    action: Action
    for_s: float

    def __str__(self) -> str:
        lasting = f" for {self.for_s:.1f} s" if self.for_s else ""
        return f"{self.at_s:6.1f} s  {self.action:<6} {self.part}{lasting}"


def draw_schedule(seed: int, seconds: float, most: int | None = None) -> list[Blow]:
    """Returns the blows of a run, in order: all of TREATMENTS and STORMS, or the `most` that hit the most parts."""
    chance = random.Random(f"schedule {seed}")
    dealt = [*_in_rounds(chance)][:most]
    chance.shuffle(dealt)
    # One in each stretch of the run, anywhere in it: some come together, and no stretch is calm.
    stretch_s = (seconds - _CALM_S) / len(dealt)
    blows = [
        _blow(chance, _CALM_S + (at + chance.random()) * stretch_s, part, action)
        for at, (part, action) in enumerate(dealt)
    ]
    return sorted(blows if most else [*blows, *_storms(chance, seconds)])


def _blow(chance: random.Random, at_s: float, part: str, action: Action) -> Blow:
    return Blow(at_s, part, action, chance.uniform(*LENGTHS_S[action]))


def _storms(chance: random.Random, seconds: float) -> Iterable[Blow]:
    for size in STORMS:
        at_s = chance.uniform(_CALM_S, seconds)
        yield from (_blow(chance, at_s, part, Action.KILL) for part in chance.sample(_PROCESSES, size))


def _in_rounds(chance: random.Random) -> Iterable[tuple[str, Action]]:
    """Yields one treatment of every part, then another one of those that have more, and so on."""
    left = {part: chance.sample(actions, len(actions)) for part, actions in TREATMENTS.items()}
    while any(left.values()):
        yield from ((part, actions.pop()) for part, actions in left.items() if actions)
