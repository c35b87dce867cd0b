"""What the command line says while it waits: a spinner on a terminal, a line a change elsewhere, or nothing."""

import asyncio
import errno
import fcntl
import io
import os
import pty
import struct
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from rich.console import Console
from tests.client.gateways import HOLD, ScriptedGateway, serving, succeeded
from tests.support.command_line import WEFT, weft

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import event_pb2, job_pb2
from weft_cli.views.progress import Steps, Troubles, Waiting
from weft_kit.rpc.errors import DependencyDown, Invalid

NATS_AWAY = DependencyDown("nats", "the log does not answer; retry", retry_after_s=0.1)


def started(**more) -> event_pb2.Started:
    return event_pb2.Started(attempt=1, provider="local", provider_model="SmolLM2", **more)


class Terminal:
    """A terminal of 200 columns on which a command runs, and what stands or stood on it."""

    def __init__(self, screen: int) -> None:
        self._screen = screen
        self._shown = bytearray()
        self._changed = asyncio.Event()

    async def until(self, text: str) -> None:
        """Returns once the text was on the screen."""
        async with asyncio.timeout(45):
            while text.encode() not in self._shown:
                self._changed.clear()
                await self._changed.wait()

    @property
    def shown(self) -> str:
        return self._shown.decode(errors="replace")

    def read(self) -> None:
        try:
            self._shown += os.read(self._screen, 65536)
        except OSError as closed:
            if closed.errno != errno.EIO:
                raise
            asyncio.get_running_loop().remove_reader(self._screen)
        self._changed.set()


@asynccontextmanager
async def on_terminal(
    *arguments: str, stdout_too: bool = True
) -> AsyncIterator[tuple[Terminal, asyncio.subprocess.Process]]:
    """Runs the command with its stderr, and perhaps its stdout, on a terminal."""
    screen, line = pty.openpty()
    fcntl.ioctl(line, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "200"}
    process = await asyncio.create_subprocess_exec(
        WEFT, *arguments, stdout=line if stdout_too else asyncio.subprocess.PIPE, stderr=line, env=environment
    )
    os.close(line)
    terminal = Terminal(screen)
    asyncio.get_running_loop().add_reader(screen, terminal.read)
    try:
        yield terminal, process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(screen)
        os.close(screen)


class Stepping(ScriptedGateway):
    """Sends each event of a job when the test lets it."""

    def __init__(self, job: job_pb2.Job) -> None:
        super().__init__()
        self.jobs[job.job_id] = job
        self.next: asyncio.Queue[event_pb2.JobEvent] = asyncio.Queue()

    async def Generate(self, request: pb.GenerateRequest, _: object) -> AsyncIterator[pb.GenerateResponse]:
        self.asked.append(request)
        done = False
        while not done:
            event = await self.next.get()
            done = event.HasField("done")
            yield pb.GenerateResponse(event=event)


async def test_a_terminal_shows_each_step_of_a_job_and_then_its_text_alone(say):
    gateway = Stepping(succeeded(say.job_id, "It is green."))
    async with (
        serving(gateway) as address,
        on_terminal("--endpoint", address, "--key", "k", "ask", "What colour?") as (terminal, process),
    ):
        await terminal.until(f"waiting for the gateway at {address}")
        gateway.next.put_nowait(say.accepted())
        await terminal.until(f"job {say.job_id} waits for its turn (1 s)")
        gateway.next.put_nowait(say.event(started=started(prompt_tokens_estimate=701)))
        await terminal.until("running on local (SmolLM2), reading about 701 tokens")
        gateway.next.put_nowait(say.delta("It is "))
        await terminal.until("It is ")
        before = len(terminal.shown)
        gateway.next.put_nowait(say.delta("green."))
        gateway.next.put_nowait(say.done("It is green."))
        assert await process.wait() == 0
    assert terminal.shown[before:].startswith("green.\r\n")


async def test_text_that_goes_elsewhere_leaves_the_steps_on_the_terminal(say):
    gateway = Stepping(succeeded(say.job_id, "It is green."))
    async with serving(gateway) as address:
        ask = ("--endpoint", address, "--key", "k", "ask", "What colour?")
        async with on_terminal(*ask, stdout_too=False) as (terminal, process):
            for event in (say.accepted(), say.event(started=started()), say.delta("It is green.")):
                gateway.next.put_nowait(event)
            await terminal.until("writing")
            gateway.next.put_nowait(say.done("It is green."))
            out, _ = await process.communicate()
    assert out.decode().startswith("It is green.\n")


async def test_a_wait_for_the_gateway_counts_its_seconds(say):
    acts = [[NATS_AWAY]] * 3 + [[HOLD]]
    async with (
        serving(ScriptedGateway(*acts)) as address,
        on_terminal("--endpoint", address, "--key", "k", "ask", "hi") as (terminal, _),
    ):
        await terminal.until(f"waiting for the gateway at {address}: the log does not answer (3 s)")


async def test_other_commands_say_what_they_wait_for_too(say):
    class Slow(ScriptedGateway):
        async def ListJobs(self, request, _):
            await HOLD().wait()

    async with (
        serving(Slow()) as address,
        on_terminal("--endpoint", address, "--key", "k", "jobs") as (terminal, _),
    ):
        await terminal.until(f"waiting for the gateway at {address} (1 s)")


async def test_without_a_terminal_each_change_is_one_line(playing, say):
    events = [
        say.accepted(),
        say.event(started=started(prompt_tokens_estimate=701)),
        say.delta("It is "),
        say.delta("green."),
        say.done("It is green."),
    ]
    async with playing([NATS_AWAY], [NATS_AWAY], events, events) as (client, gateway):
        gateway.jobs[say.job_id] = succeeded(say.job_id, "It is green.")
        ask = ("--endpoint", client.endpoint, "--key", "k", "ask", "What colour?")
        _, _, err = await weft(*ask)
        _, _, quiet = await weft(*ask, "--quiet")
    assert err.splitlines() == [
        f"waiting for the gateway at {client.endpoint}: the log does not answer",
        f"job {say.job_id} waits for its turn",
        "running on local (SmolLM2), reading about 701 tokens",
        "writing",
    ]
    assert quiet == ""


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (
            error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE,
            "waits to be tried again: local failed with PROVIDER_UNREACHABLE",
        ),
        (error_pb2.ERROR_REASON_DRAINING, "waits for its turn"),
    ],
)
async def test_a_job_that_went_back_to_the_queue_says_what_it_waits_for(say, reason, told):
    shown, written = console()
    error = job_pb2.JobError(reason=reason, message="too many calls; wait")
    with Steps(shown, writes_here=False) as steps:
        steps.on_answer(say.event(started=started(prompt_tokens_estimate=701)))
        steps.on_answer(say.event(released=event_pb2.Released(attempt=job_pb2.Attempt(provider="local", error=error))))
    line = written.getvalue().splitlines()[1]
    assert line.startswith(f"job {say.job_id} {told}")
    assert ("(too many calls)" in line) == (reason != error_pb2.ERROR_REASON_DRAINING)


def console() -> tuple[Console, io.StringIO]:
    written = io.StringIO()
    return Console(file=written, width=200), written


async def test_what_is_no_wait_is_not_announced_as_one():
    shown, written = console()
    with Waiting(shown) as waiting:
        waiting.on_call()
        waiting.on_failure(Invalid(1, "no such model"))
        waiting.on_answer()
    assert written.getvalue() == ""


async def test_a_break_in_the_middle_of_an_answer_is_told_on_a_line_of_its_own(say):
    written = io.StringIO()
    shown = Console(file=written, width=200, force_terminal=True)
    with Steps(shown, writes_here=True) as waiting:
        waiting.endpoint = "here"
        waiting.on_answer(say.delta("It is "))
        written.truncate(0)
        waiting.on_failure(NATS_AWAY)
        waiting.on_failure(NATS_AWAY)
    assert written.getvalue().count("\n[waiting for the gateway at here]\n") == 1


async def test_beside_what_moves_by_itself_only_trouble_is_told():
    shown, written = console()
    with Troubles(shown) as waiting:
        waiting.endpoint = "here"
        waiting.on_call()
        waiting.on_failure(NATS_AWAY)
        waiting.on_failure(NATS_AWAY)
    assert written.getvalue() == "waiting for the gateway at here: the log does not answer\n"


async def test_a_batch_says_what_it_waits_for(playing, tmp_path):
    (tmp_path / "batch.jsonl").write_text('{"prompt": "hi"}\n')
    async with playing() as (client, gateway):
        gateway.failures = [NATS_AWAY]
        at = ("--endpoint", client.endpoint, "--key", "k")
        code, _, err = await weft(*at, "jobs", "submit-many", str(tmp_path / "batch.jsonl"))
    assert code == 0
    assert err.splitlines() == [
        f"waiting for the gateway at {client.endpoint}: the log does not answer",
        "1 accepted, 0 refused",
    ]
