"""Shows on stderr what a command waits for: with a spinner on a terminal, elsewhere with a line for each change."""

import asyncio
import time
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_cli.views.durations import elapsed
from weft_cli.views.jobs import reason
from weft_client.observer import Observer
from weft_client.retry import is_silence, is_unavailable
from weft_kit.rpc.errors import WeftError

# Shorter waits are not shown: they would only flicker.
_NOTICED_S = 0.3
# Without a terminal nobody watches, so only longer waits are worth a line.
_NEWS_S = 2.0


class Waiting(Observer):
    """Shows waits for the gateway while its context lasts; leaving wipes the display. With `quiet`, shows nothing.

    `endpoint` is filled in once it is known.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self.endpoint = ""
        self._console = console
        self._spins = console.is_terminal and not console.is_dumb_terminal
        self._quiet = quiet
        self._spinner = Spinner("dots")
        self._live: Live | None = None
        self._text = ""
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def connects(self) -> None:
        """Shows that the first connection is being made."""
        self._show(f"connecting to {self.endpoint}")

    def on_call(self) -> None:
        if not self._text:
            self._show(f"waiting for the gateway at {self.endpoint}")

    def on_failure(self, failure: WeftError) -> None:
        if not is_unavailable(failure):
            return
        why = "it does not answer" if is_silence(failure) else failure.message.partition(";")[0]
        self._show(f"waiting for the gateway at {self.endpoint}: {why}", at_once=True)

    def on_answer(self, event: event_pb2.JobEvent | None = None) -> None:  # noqa: ARG002 - any answer ends a wait
        self.stop()

    def stop(self) -> None:
        """Wipes the display: the wait is over, or something else is to be written."""
        if self._timer:
            self._timer.cancel()
        if self._live:
            self._live.stop()
        self._timer = self._live = None
        self._text, self._since = "", 0.0

    def _show(self, text: str, *, at_once: bool = False) -> None:
        """Shows a wait in place of the one before; the seconds continue."""
        if self._quiet or text == self._text:
            return
        self._text = text
        self._since = self._since or time.monotonic()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if at_once or self._live:
            self._appear()
        else:
            self._timer = asyncio.get_running_loop().call_later(_NOTICED_S if self._spins else _NEWS_S, self._appear)

    def _appear(self) -> None:
        if not self._spins:
            self._console.print(Text(self._text), soft_wrap=True)
        elif self._live is None:
            self._live = Live(
                console=self._console,
                get_renderable=self._line,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def _line(self) -> RenderableType:
        waited_s = time.monotonic() - self._since
        self._spinner.update(text=Text(self._text + (f" ({elapsed(waited_s)})" if waited_s >= 1 else "")))
        return self._spinner


class Troubles(Waiting):
    """Shows only failures, on lines of their own, because a progress bar is on the terminal."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._spins = False

    def on_call(self) -> None:
        """Shows nothing: a call that is under way is no failure."""


class Steps(Waiting):
    """Also shows a job's progress. With `writes_here`, its text goes to the same terminal, and ends the display."""

    def __init__(
        self, console: Console, *, writes_here: bool, shows_reasoning: bool = False, quiet: bool = False
    ) -> None:
        super().__init__(console, quiet=quiet)
        self._writes_here = writes_here and self._spins
        self._shows_reasoning = shows_reasoning
        self._written = self._broken = False

    def on_call(self) -> None:
        if not self._written:
            super().on_call()

    def on_failure(self, failure: WeftError) -> None:
        if not self._written:
            super().on_failure(failure)
        elif is_unavailable(failure) and not (self._quiet or self._broken):
            # A spinner would wipe the half-written line.
            self._broken = True
            self._console.print(Text(f"\n[waiting for the gateway at {self.endpoint}]"), soft_wrap=True)

    def on_answer(self, event: event_pb2.JobEvent | None = None) -> None:
        self._broken = False
        if event is None or event.HasField("done"):
            self.stop()
        elif event.HasField("delta") and self._is_shown_here(event.delta):
            self._written = True
            self.stop()
        elif not self._written and (step := self._step(event)):
            self._since = 0.0 if step != self._text else self._since
            self._show(step, at_once=True)

    def _is_shown_here(self, delta: event_pb2.Delta) -> bool:
        """Returns whether new text or reasoning is written to the terminal of the display."""
        return bool((delta.text and self._writes_here) or (delta.reasoning and self._shows_reasoning))

    def _step(self, event: event_pb2.JobEvent) -> str:
        match event.WhichOneof("event"):
            case "accepted":
                return f"job {event.job_id} waits for its turn"
            case "released":
                return f"job {event.job_id} {_put_back(event.released.attempt)}"
            case "started":
                return running(event.started)
            case "delta":
                return "writing" if event.delta.text else "thinking"
            case "rewound":
                return "starting over"
        return self._text


def _put_back(attempt: job_pb2.Attempt) -> str:
    """Returns why a job that had begun waits again: an attempt failed, or its worker gave it back."""
    error = attempt.error
    if error.reason in {error_pb2.ERROR_REASON_UNSPECIFIED, error_pb2.ERROR_REASON_DRAINING}:
        return "waits for its turn"
    why = f"{reason(error)} ({error.message.partition(';')[0]})"
    return f"waits to be tried again: {attempt.provider or 'it'} failed with {why}"


def running(started: event_pb2.Started) -> str:
    """Returns which provider answers, and how many tokens it reads before the first word."""
    model = f" ({started.provider_model})" if started.provider_model else ""
    reading = f", reading about {started.prompt_tokens_estimate:,} tokens" if started.prompt_tokens_estimate else ""
    return f"running on {started.provider}{model}{reading}"
