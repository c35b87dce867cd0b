"""A child process that cannot outlive its parent, and stops when asked."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from weft_compose.errors import MissingPart, PartFailed

_TAIL_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run, where its output goes, and how it wants to be ended."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    privileges: Sequence[str] = ()
    """Options of setpriv: as whom to run, and with which capabilities."""

    def wrapped(self) -> list[str]:
        """The command behind setpriv, which arranges what happens when the parent ends, and becomes the command.

        Not preexec_fn: that needs a plain fork, which gRPC's threads in the parent do not survive.

        Raises:
            MissingPart: there is no setpriv.
        """
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise MissingPart("setpriv is missing: install the package util-linux")
        return [setpriv, f"--pdeathsig={self.orphan_signal.name}", *self.privileges, "--", *self.argv]


class Child:
    """A running command. Start it on the main thread: Linux ends it with the thread that started it."""

    def __init__(self, command: Command) -> None:
        self.command = command
        command.log.parent.mkdir(parents=True, exist_ok=True)
        with command.log.open("wb") as log:
            self._process = subprocess.Popen(
                command.wrapped(),
                env={**os.environ, **command.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Out of the terminal's group: Ctrl-C reaches the parent alone, which then drains in order.
                process_group=0,
            )
        self.pid = self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def ensure_running(self) -> None:
        """Raises PartFailed when it has ended, with the last words of its log."""
        if (code := self.exit_code) is not None:
            raise PartFailed(f"{self.command.name} {self._ending(code)} (its log is {self.command.log})")

    def _ending(self, code: int) -> str:
        if code == -signal.SIGKILL:
            # It had no chance to say why: its last words are about something else.
            return "was killed by SIGKILL, by hand or for want of memory"
        ending = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return f"{ending}: {self.last_words()}"

    def last_words(self, lines: int = 3) -> str:
        """Last lines of its log, joined into one."""
        size = self.command.log.stat().st_size
        with self.command.log.open("rb") as log:
            log.seek(max(0, size - _TAIL_BYTES))
            written = log.read().decode(errors="replace")
        last = [line.strip() for line in written.splitlines() if line.strip()][-lines:]
        return " | ".join(last) or "it wrote nothing"

    def stop(self, grace_s: float = 10.0) -> None:
        """Asks it to end, waits, and kills it when it does not. A repeat does nothing."""
        if self.exit_code is None:
            self._process.send_signal(self.command.stop_signal)
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
