"""The CPU seconds of processes between two readings, and their resident memory."""

from collections.abc import Callable, Mapping
from typing import Any

import psutil


class Meter:
    """Reads the CPU and memory of processes by pid; `client` is this one, the load generator."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()} | {"client": psutil.Process()}
        self._before = self._cpu()

    def restart(self) -> None:
        """Counts CPU from now on."""
        self._before = self._cpu()

    def cpu_seconds(self) -> dict[str, float]:
        """Returns the CPU seconds, user and system, of each process and its children since the last restart."""
        return {name: after - self._before[name] for name, after in self._cpu().items()}

    def resident_mib(self) -> dict[str, float]:
        """Returns the resident memory of each process and its children, in MiB."""
        return {name: sum(_resident(p) for p in _family(process)) for name, process in self._processes.items()}

    def _cpu(self) -> dict[str, float]:
        return {name: sum(_cpu(p) for p in _family(process)) for name, process in self._processes.items()}


class HostLoad:
    """The share of the machine's CPU time that others used, which explains stalls that have no cause here."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def stolen_percent(self) -> float:
        """Returns the share that the host of this virtual machine gave to other machines (steal)."""
        return self._percent(lambda times: times.steal)

    def others_percent(self, ours_s: Mapping[str, float]) -> float:
        """Returns the share that other processes of this machine used, given the CPU seconds of ours."""
        ours = sum(ours_s.values())
        return self._percent(lambda times: times.user + times.nice + times.system, less_s=ours)

    def _percent(self, what: Callable[[Any], float], less_s: float = 0.0) -> float:
        now = psutil.cpu_times()
        return 100 * max(0.0, what(now) - what(self._before) - less_s) / max(1e-9, sum(now) - sum(self._before))


def _family(process: psutil.Process) -> list[psutil.Process]:
    # The load generator's children are the processes of the environment.
    return [process] if process.pid == psutil.Process().pid else [process, *process.children(recursive=True)]


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system


def _resident(process: psutil.Process) -> float:
    try:
        return process.memory_info().rss / 2**20
    except psutil.NoSuchProcess:
        return 0.0
