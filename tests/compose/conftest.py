"""The launcher as people run it: `weft up` in a process of its own, on free ports and a state folder of the test's."""

import asyncio
import signal
from asyncio.subprocess import DEVNULL, STDOUT
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from tests.support.command_line import started


@dataclass
class Launched:
    """A `weft up` under way."""

    process: asyncio.subprocess.Process
    state: Path

    async def until(self, words: str) -> str:
        """Reads its output up to a line with these words; fails when it ends before."""
        said = ""
        while line := (await self.process.stdout.readline()).decode():
            said += line
            if words in line:
                return said
        raise AssertionError(said)

    async def last_words(self) -> str:
        """Reads the rest of its output; returns once it has ended."""
        said, _ = await self.process.communicate()
        return said.decode()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@dataclass
class Weft:
    """The command line on one state folder, in the folder that it is run from."""

    state: Path
    folder: Path | None = None

    async def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Runs a command to its end; returns exit code and everything it said."""
        process = await self.start(*arguments, env=env)
        said, _ = await process.communicate()
        return process.returncode, said.decode()

    @asynccontextmanager
    async def up(self, *options: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Launched]:
        process = await self.start("up", "--base-port", "0", "--engine", "echo", *options, env=env)
        try:
            yield Launched(process, self.state)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.communicate()

    async def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
        state = ("--state", str(self.state))
        return await started(*state, *arguments, env=env, cwd=self.folder, stdin=DEVNULL, stderr=STDOUT)


@pytest.fixture
def weft(tmp_path: Path) -> Weft:
    return Weft(tmp_path / "state")
