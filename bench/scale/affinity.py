"""On which cores what runs: replicas one core each in turn, the load apart from them where there are enough cores."""

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_ENOUGH = 4
_LOAD = ("client", "mock")


@dataclass(frozen=True)
class Placement:
    """The cores of the mesh, and those of the load generator and the mock."""

    mesh: tuple[int, ...]
    load: tuple[int, ...]

    @classmethod
    def of(cls, cores: Collection[int]) -> "Placement":
        """Gives the load a quarter of four cores or more; of fewer, both have all."""
        ordered = tuple(sorted(cores))
        if len(ordered) < _ENOUGH:
            return cls(ordered, ordered)
        own = len(ordered) // 4
        return cls(ordered[own:], ordered[:own])

    @property
    def is_shared(self) -> bool:
        """Whether load and mesh are on the same cores."""
        return self.mesh == self.load

    def cores_of(self, names: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
        """Returns the cores of each process: one for a gateway or router, in turn, and all of its side for others."""
        replicas = [name for name in names if kind_of(name) in ("gateway", "router")]
        in_turn = {name: (self.mesh[n % len(self.mesh)],) for n, name in enumerate(sorted(replicas, key=kind_of))}
        return {name: self.load if name in _LOAD else in_turn.get(name, self.mesh) for name in names}


def kind_of(name: str) -> str:
    """Returns what a replica is one of: gateway-2 is a gateway."""
    kind, _, number = name.rpartition("-")
    return kind if number.isdecimal() else name


def pin(pids: Mapping[str, int], placement: Placement) -> None:
    """Puts processes, their children and this one on their cores; what they start later inherits it."""
    everyone = {**pids, "client": os.getpid()}
    for name, cores in placement.cores_of(list(everyone)).items():
        family = [everyone[name]]
        if name != "client":  # whose children are all the others
            family += [child.pid for child in psutil.Process(everyone[name]).children(recursive=True)]
        for pid in family:
            _pin_threads(pid, cores)


def _pin_threads(pid: int, cores: Collection[int]) -> None:
    # Linux pins threads, not processes.
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), cores)
