"""A writer or a reader in its own process: each command and each answer is a line of JSON."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from weft_compose.child import Command, tail
from weft_compose.errors import PartFailed

ROOT = Path(__file__).resolve().parents[2]
_LINE_BYTES = 1 << 28
_ANSWER_S = 300.0
_STOP_S = 10.0

Pipe = TypeVar("Pipe")


class Program:
    """A process that runs one command after another."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log
        self._commands = _piped(process.stdin)
        self._answers = _piped(process.stdout)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def tell(self, do: str, **given: Any) -> None:
        """Sends a command."""
        self._commands.write(f"{json.dumps({'do': do, **given})}\n".encode())
        await self._commands.drain()

    async def answer(self) -> dict[str, Any]:
        """Waits for the next answer.

        Raises:
            PartFailed: it ended, or did not answer in time.
        """
        try:
            line = await asyncio.wait_for(self._answers.readline(), _ANSWER_S)
        except TimeoutError:
            line = b""
        if not line:
            raise PartFailed(f"{self.name} does not answer:\n{tail(self._log)[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def ask(self, do: str, **given: Any) -> dict[str, Any]:
        """Sends a command and returns the next answer."""
        await self.tell(do, **given)
        return await self.answer()

    async def kill(self) -> None:
        """Kills it (SIGKILL) and waits for its end. A repeat does nothing."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        """Closes its input and kills it if it does not end."""
        self._commands.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _STOP_S)
        await self.kill()


@asynccontextmanager
async def program(
    name: str, argv: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """Starts a program in the root of the checkout and yields it once it is ready; it ends with the block."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *Command(name=name, argv=argv, log=log).wrapped(),
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            limit=_LINE_BYTES,
            # Not in the terminal's group: Ctrl-C reaches only the measurement, which then stops it.
            start_new_session=True,
        )
    started = Program(name, process, log)
    try:
        await started.answer()
        yield started
    finally:
        await started.stop()


def _piped(pipe: Pipe | None) -> Pipe:
    if pipe is None:
        raise PartFailed("the process was started without pipes")
    return pipe
