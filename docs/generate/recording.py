"""Records what a reader sees when a worker is killed half-way: `python -m docs.generate.recording`.

A mesh with two routers runs `weft ask` in a terminal. Once the answer is under way, the router that writes it is killed
with SIGKILL. What the terminal shows is kept with its times, as asciicast v2; the kill is a marker in it.
"""

import asyncio
import json
import os
import pty
import shlex
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from weft_client.client import WeftClient
from weft_compose.launcher import DEFAULT_CATALOG, Launch, RunningMesh, mesh
from weft_compose.parts import Part
from weft_compose.plan import Ports
from weft_compose.state import StateFolder

CAST: Final = Path(__file__).parents[1] / "pictures" / "killed-worker.cast"
_COLUMNS: Final = 92
_QUESTION: Final = "Tell a story about a lighthouse keeper."
_ASK: Final = ("weft", "ask", _QUESTION, "--quiet", "--max-tokens", "120")
_SHOWN_BEFORE_THE_KILL: Final = 230

Event = tuple[float, str, str]


async def record() -> list[Event]:
    """Runs it once, and returns what was shown: seconds, kind ("o" output, "m" marker) and text."""
    with TemporaryDirectory() as folder:
        state = StateFolder(Path(folder) / "state")
        launch = Launch(state, Ports.counted_from(0), DEFAULT_CATALOG, replicas={"router": 2})
        async with mesh(launch, lambda _part, _seconds: None) as running:
            return [event async for event in _events(running, state)]


async def _events(running: RunningMesh, state: StateFolder) -> AsyncIterator[Event]:
    shown, killed = 0, False
    begun = time.monotonic()
    yield 0.0, "o", f"$ {shlex.join(_ASK)}\r\n"
    async for text in _terminal(state):
        shown += len(text)
        yield _since(begun), "o", text
        if not killed and shown > _SHOWN_BEFORE_THE_KILL:
            killed = True
            part = await _writer(running)
            process = part.running()
            await part.kill()
            yield _since(begun), "m", f"kill -KILL {process and process.process.pid}"


async def _terminal(state: StateFolder) -> AsyncIterator[str]:
    """Runs the command in a terminal of its own, and yields what it writes."""
    ours, theirs = pty.openpty()
    # A terminal that only goes on writing: what it shows is what was written.
    environ = {**os.environ, "TERM": "dumb", "COLUMNS": str(_COLUMNS), "WEFT_STATE": str(state.root)}
    program = Path(sys.executable).parent / _ASK[0]
    child = await asyncio.create_subprocess_exec(
        program, *_ASK[1:], stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    )
    os.close(theirs)
    try:
        while text := await asyncio.to_thread(os.read, ours, 4096):
            yield text.decode()
    except OSError:  # how a terminal ends whose last program has left
        await child.wait()
    finally:
        os.close(ours)


async def _writer(running: RunningMesh) -> Part:
    """Returns the router that writes the answer, as the events of the newest job tell."""
    routers = [part for part in running.parts if part.name.startswith("router")]
    async with WeftClient(running.record.endpoint, running.record.api_key) as weft:
        (job,) = await weft.jobs(limit=1)
        async for event in weft.events(job.job_id):
            if event.HasField("started"):
                return next(part for part in routers if part.address == event.started.worker)
    raise RuntimeError("the job ended before its worker could be killed: ask for more tokens")


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 3)


def main() -> None:
    """Writes the recording."""
    events = asyncio.run(record())
    head = {"version": 2, "width": _COLUMNS, "height": 30, "title": "a worker is killed while an answer streams"}
    CAST.write_text("".join(f"{json.dumps(line)}\n" for line in (head, *events)), encoding="utf-8")


if __name__ == "__main__":
    main()
