"""What every engine promises, the few values that pass through it, and what its file registers."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from weft.common.v1 import error_pb2
from weft_inference.engines.config import EngineConfig
from weft_kit.rpc.errors import WeftError

Capability = Literal["prefix", "json", "tools"]
# Where engines report a schema they cannot enforce.
SCHEMA_FIELD = "response_format.json_schema.schema_json"
Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation; `calls` are tool calls as (id, name, arguments as JSON text)."""

    role: Role
    text: str
    calls: tuple[tuple[str, str, str], ...] = ()
    answers: str = ""
    """The tool call this turn answers."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn; None leaves it to the engine."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """One question to the engine."""

    turns: tuple[Turn, ...]
    sampling: Sampling = field(default_factory=Sampling)
    prefix: str = ""
    """What the answer already has; the engine goes on from there and does not repeat it."""
    schema: Mapping[str, Any] | None = None
    """JSON Schema the answer must satisfy."""
    offers_tools: bool = False

    @property
    def needs(self) -> frozenset[Capability]:
        """What an engine must be able to do to answer this as asked."""
        tools = self.offers_tools or any(turn.calls or turn.role == "tool" for turn in self.turns)
        wanted: tuple[tuple[Capability, bool], ...] = (
            ("prefix", bool(self.prefix)),
            ("json", self.schema is not None),
            ("tools", tools),
        )
        return frozenset(name for name, is_wanted in wanted if is_wanted)


@dataclass(frozen=True, slots=True)
class Piece:
    """New text and how many tokens it is; whole characters only."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The end marker: why, and what it cost, in tokens."""

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    cached_prompt_tokens: int = 0


def finish_reason(engine: str, word: object) -> FinishReason:
    """Returns an engine's word for the end of an answer that is whole.

    Raises:
        WeftError: the engine gave it up, or says something else than is known.
    """
    match word:
        case "stop" | "length":
            return word
        case _:
            message = (
                f"{engine} gave up: its finish reason is {word}; try again, and look at its log if it happens each time"
            )
            raise WeftError(error_pb2.ERROR_REASON_PROVIDER_ERROR, message)


@dataclass(frozen=True, slots=True)
class Description:
    """What an engine is. `context_window` is the longest prompt and answer together, in tokens."""

    engine: str
    model: str
    context_window: int
    capabilities: frozenset[Capability]


class Engine(Protocol):
    """Something that generates.

    `generate` gives any number of pieces, then exactly one finish. Closing the generator earlier stops the engine and
    returns once it has stopped. It never runs more generations at once than it was told slots. It raises InvalidFields
    for what it cannot read: a prompt longer than the window, a schema it cannot enforce. `check` raises when it can
    generate no more.
    """

    def describe(self) -> Description: ...

    async def start(self) -> None: ...

    async def check(self) -> None: ...

    def generate(self, generation: EngineRequest) -> AsyncGenerator[Piece | Finish, None]: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What an engine loads. `flaw` says what keeps it from loading what stands at a path; "" when nothing shows."""

    flaw: Callable[[Path], str]
    remedy: str
    """What to do about it."""
    wheel: str
    """Carries what is loaded where no path is named."""

    def problem_of(self, path: Path) -> str:
        """Returns why the path could not be loaded, and what to do; "" when it could, as far as its kind tells."""
        problem = _unreadable(path) or self.flaw(path)
        return f"{problem}; {self.remedy}" if problem else ""


def _unreadable(path: Path) -> str:
    try:
        path.stat()
    except FileNotFoundError:
        return "there is no such file or folder"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return ""


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """What an engine's file tells of it as `ENTRY`, without importing what the engine computes with."""

    build: Callable[[EngineConfig], Engine]
    extra: str
    """The extra of the distribution that brings its packages."""
    wheels: tuple[str, ...] = ()
    """Those of its packages without which no mesh is started here."""
    model_files: ModelFiles | None = None
    """None: it has no model."""
    missing: Callable[[], str] = str
    """Says what is wanted and not installed, and what to do; "" when nothing is, or when the extra tells it all."""
