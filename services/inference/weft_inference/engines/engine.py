"""The interface of every engine, the few values that pass through it, and the entry that its file registers."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from weft.common.v1 import error_pb2
from weft_inference.engines.config import EngineConfig
from weft_kit.rpc.errors import WeftError

Capability = Literal["prefix", "json", "tools"]
# The request field in which engines report a schema that they cannot enforce.
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
    """Id of the tool call that this turn answers."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are sampled; None uses the engine's default."""

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
    """A request to the engine for one answer."""

    turns: tuple[Turn, ...]
    sampling: Sampling = field(default_factory=Sampling)
    prefix: str = ""
    """The beginning of the answer; the engine continues it and does not repeat it."""
    schema: Mapping[str, Any] | None = None
    """JSON Schema that the answer must satisfy."""
    offers_tools: bool = False

    @property
    def needs(self) -> frozenset[Capability]:
        """The capabilities an engine needs to answer this."""
        tools = self.offers_tools or any(turn.calls or turn.role == "tool" for turn in self.turns)
        wanted: tuple[tuple[Capability, bool], ...] = (
            ("prefix", bool(self.prefix)),
            ("json", self.schema is not None),
            ("tools", tools),
        )
        return frozenset(name for name, is_wanted in wanted if is_wanted)


@dataclass(frozen=True, slots=True)
class Piece:
    """New text, in whole characters, and its number of tokens."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of an answer: why it ended, and how many tokens it took."""

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    cached_prompt_tokens: int = 0


def finish_reason(engine: str, word: object) -> FinishReason:
    """Returns the finish reason of a complete answer.

    Raises:
        WeftError: the engine gave up, or its reason is not known.
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
    """Describes an engine. `context_window` is the longest prompt and answer together, in tokens."""

    engine: str
    model: str
    context_window: int
    capabilities: frozenset[Capability]


class Engine(Protocol):
    """Generates answers.

    `generate` yields any number of pieces, then exactly one Finish. Closing the generator earlier stops the engine and
    returns once it has stopped. The engine is never asked for more generations at once than it has slots. `generate`
    raises InvalidFields for a prompt longer than the window or a schema that the engine cannot enforce. `check` raises
    if the engine can no longer generate.
    """

    def describe(self) -> Description: ...

    async def start(self) -> None: ...

    async def check(self) -> None: ...

    def generate(self, generation: EngineRequest) -> AsyncGenerator[Piece | Finish, None]: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The model files an engine loads. `flaw` says why it cannot load a path; "" if it sees no reason."""

    flaw: Callable[[Path], str]
    remedy: str
    """What to do about a flaw."""
    wheel: str
    """The wheel with the model that is loaded if no path is set."""

    def problem_of(self, path: Path) -> str:
        """Returns why the path cannot be loaded and what to do; "" if no problem shows before loading it."""
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
    """What an engine's file defines as `ENTRY`, without importing the engine's own packages."""

    build: Callable[[EngineConfig], Engine]
    extra: str
    """The extra of Weft's distribution that installs its packages."""
    wheels: tuple[str, ...] = ()
    """Packages that `weft up` needs to start a mesh with this engine."""
    model_files: ModelFiles | None = None
    """None if it has no model."""
    takes_table: bool = False
    """Whether its table of WEFT_INFERENCE_ENGINE_FILE sets arguments of its own."""
    missing: Callable[[], str] = str
    """Says what is not installed and how to install it; "" if nothing is missing, or if the extra says enough."""
