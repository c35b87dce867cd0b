"""The logs of a mesh's parts, run by run: `logs/PART.log` for this run, `logs/N/PART.log` for the Nth before it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

RUNS_KEPT = 5
_LARGEST_BYTES = 16 << 20


class RunLogs:
    """The folder of the logs. A run begins with empty logs; those of the five runs before it are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, part: str, run: int = 0) -> Path:
        """Returns the log of a part; `run` counts back from 0, the current or last run."""
        return self._of_run(run) / f"{part}.log"

    def parts(self, run: int = 0) -> list[str]:
        """Returns the names of the parts that have a log of a run."""
        return sorted(log.stem for log in self._of_run(run).glob("*.log"))

    def runs(self) -> list[int]:
        """Returns the runs that have logs, the latest first."""
        return [run for run in range(RUNS_KEPT + 1) if self.parts(run)]

    def begin_run(self) -> None:
        """Moves the last run's logs to the earlier ones, and deletes the oldest. Of long logs only the end is kept."""
        logs = [self.of(part) for part in self.parts()]
        if not logs:
            return
        self._folder.chmod(0o700)
        shutil.rmtree(self._of_run(RUNS_KEPT), ignore_errors=True)
        for run in reversed(range(1, RUNS_KEPT)):
            if self._of_run(run).exists():
                self._of_run(run).rename(self._of_run(run + 1))
        self._of_run(1).mkdir()
        for log in logs:
            _shorten(log)
            log.rename(self._of_run(1) / log.name)

    def _of_run(self, run: int) -> Path:
        return self._folder / str(run) if run else self._folder


def last_lines(log: Path, count: int) -> list[str]:
    """Returns the last lines of a log."""
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(max(0, log.stat().st_size - _LARGEST_BYTES))
        return file.read().splitlines()[-count:]


class Followed:
    """Follows a growing log: returns the lines added since it was last asked."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read_bytes = log.stat().st_size if log.exists() else 0
        self._begun = b""

    def new_lines(self) -> Iterator[str]:
        """Yields complete lines; a log that is shorter than before belongs to a new run, and is read from its start."""
        if not self._log.exists():
            return
        with self._log.open("rb") as file:
            if file.seek(0, os.SEEK_END) < self._read_bytes:
                self._read_bytes, self._begun = 0, b""
            file.seek(self._read_bytes)
            added = file.read()
        self._read_bytes += len(added)
        *whole, self._begun = (self._begun + added).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)


def _shorten(log: Path) -> None:
    size = log.stat().st_size
    if size <= _LARGEST_BYTES:
        return
    with log.open("rb+") as file:
        file.seek(size - _LARGEST_BYTES)
        end = file.read()
        file.seek(0)
        file.write(end)
        file.truncate()
