"""A child process that cannot outlive its parent and can be stopped, killed, paused and resumed."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from weft_compose.errors import MissingPart, PartFailed
from weft_compose.log_errors import after_colon, last_errors, last_problem

_TAIL_BYTES = 65_536
_BURIAL_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run, where its output goes, and which signals end it."""

    name: str
    argv: Sequence[str]
    log: Path
    folder: Path | None = None
    """The working directory; None for the parent's."""
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    privileges: Sequence[str] = ()
    """Options of setpriv: the user to run as, and the rights to drop."""

    def wrapped(self) -> list[str]:
        """Returns the command run by setpriv, which sets the signal that it gets when the parent ends.

        preexec_fn would need a plain fork, which gRPC's threads in the parent do not survive.

        Raises:
            MissingPart: there is no setpriv.
        """
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise MissingPart("setpriv is missing: install the package util-linux")
        return [setpriv, f"--pdeathsig={self.orphan_signal.name}", *self.privileges, "--", *self.argv]


class Child:
    """A running command, which appends to its log.

    Start it on the main thread: Linux ends it with the thread that started it.
    """

    def __init__(self, command: Command) -> None:
        self.command = command
        command.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with command.log.open("ab") as log:
            os.fchmod(log.fileno(), 0o600)
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                command.wrapped(),
                cwd=command.folder,
                env={**os.environ, **command.env},
                # Only its owner may read what it writes.
                umask=0o077,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Out of the terminal's group: Ctrl-C reaches only the parent, which then drains in order.
                process_group=0,
            )
        self.pid = self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def ensure_running(self) -> None:
        """Raises PartFailed, with the last errors of its log, if it has ended."""
        if (code := self.exit_code) is not None:
            raise PartFailed(f"{self.command.name} {self._ending(code)}\n(its log is {self.command.log})")

    def _ending(self, code: int) -> str:
        if code == -signal.SIGKILL:
            # It had no chance to say why: its last lines are about something else.
            return "was killed by SIGKILL, by hand or for want of memory"
        ending = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return f"{ending}:{self.last_words()}"

    def last_words(self) -> str:
        """Returns what its log says is wrong, formatted to follow a colon: every error, without stack traces."""
        written = tail(self.command.log, self._log_start)
        last = [line.strip() for line in written.splitlines() if line.strip()][-1:]
        problem = list(filter(None, [last_problem(written)]))
        return after_colon(last_errors(written) or problem or last or ["it wrote nothing"])

    def stop(self, grace_s: float = 10.0) -> None:
        """Asks it to end, waits, and kills it if it does not. A repeat does nothing."""
        if self.exit_code is None:
            # A paused process would not react.
            self.resume()
            self._process.send_signal(self.command.stop_signal)
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kills it with all its descendants, and returns once they are gone. A repeat does nothing."""
        family = self.pause()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        give_up = time.monotonic() + _BURIAL_S
        while any(map(_is_alive, family)) and time.monotonic() < give_up:
            time.sleep(0.005)

    def pause(self) -> list[psutil.Process]:
        """Freezes it with all its descendants, and returns them, itself first; none if it has ended."""
        if self.exit_code is not None:
            return []
        parent = psutil.Process(self.pid)
        # The parent first: it cannot have another child after that.
        parent.suspend()
        children = parent.children(recursive=True)
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.suspend()
        return [parent, *children]

    def resume(self) -> None:
        """Lets it go on, its descendants first, so that the parent finds them running."""
        if self.exit_code is not None:
            return
        parent = psutil.Process(self.pid)
        for process in [*parent.children(recursive=True), parent]:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def tail(log: Path, start: int = 0) -> str:
    """Returns the last lines of a log, none from before `start`; "" if there is no log."""
    try:
        with log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            begin = file.seek(max(start, end - _TAIL_BYTES))
            written = file.read().decode(errors="replace")
    except OSError:
        return ""
    # The first line may lack its beginning, and look like something else.
    return written if begin == start else written.partition("\n")[2]


def _is_alive(process: psutil.Process) -> bool:
    """Returns whether a process runs; one that is dead but not yet reaped by init holds nothing any more."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
