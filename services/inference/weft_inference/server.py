"""The inference service, assembled."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager

from weft.inference.v1 import inference_pb2_grpc as rpc
from weft_inference.config import Config
from weft_inference.encoders import minilm, registry, verifier
from weft_inference.encoders.batching import Batcher
from weft_inference.encoders.embedding import Embedder
from weft_inference.encoders.encoder import Encoder
from weft_inference.encoders.verifier import PairReader, Verifier
from weft_inference.engines.engine import Engine
from weft_inference.engines.registry import engine_entry
from weft_inference.generation import Generations
from weft_inference.servicer import InferenceServicer
from weft_kit import metrics
from weft_kit.admission import Admission
from weft_kit.requests.limits import RequestLimits
from weft_kit.rpc.errors import CannotStart
from weft_kit.rpc.readiness import WHOLE, Need, Readiness
from weft_kit.rpc.server import Server, Service

_SERVICE = "weft.inference.v1.InferenceService"


def inference(config: Config) -> AbstractAsyncContextManager[Server]:
    """Serves the configured engine and embedder while the context lasts. Raises CannotStart if one is not installed."""
    if problem := registry.embedder_entry(config.embedder).missing():
        raise CannotStart(problem)
    return serving(config, build_engine(config))


@asynccontextmanager
async def serving(config: Config, engine: Engine) -> AsyncIterator[Server]:
    """Serves an engine. It, the embedder and the verifier load in parallel before the first call is accepted."""
    async with AsyncExitStack() as stack:
        stack.enter_context(metrics.serve(config.metrics_listen))
        stack.push_async_callback(engine.close)
        _, encoder, pairs = await asyncio.gather(engine.start(), _load_encoder(config), _load_verifier(config))
        limits = config.embedder_batch_tokens, config.embedder_queue_tokens
        batcher = await stack.enter_async_context(Batcher(encoder.yielding, *limits, yields=True))
        short = await stack.enter_async_context(Batcher(encoder, *limits))
        embedder = Embedder(encoder, batcher, short)
        compares = Verifier(pairs, await stack.enter_async_context(Batcher(pairs, *limits)))
        admission = Admission(config.slots, config.queue_limit)
        servicer = InferenceServicer(Generations(engine, admission, config.patience_s), embedder, compares)
        service = Service(_SERVICE, rpc.add_InferenceServiceServicer_to_server, servicer)
        needs = (Need("engine", engine.check, frozenset({WHOLE, _SERVICE})),)
        readiness = await stack.enter_async_context(Readiness(needs))
        request_limits = RequestLimits(held_bytes=config.held_request_bytes)
        server = Server(config.listen, [service], grace_s=config.grace_s, limits=request_limits, readiness=readiness)
        await stack.enter_async_context(server)
        stack.enter_context(_drained(admission))
        yield server


async def _load_encoder(config: Config) -> Encoder:
    precision, threads = config.embedder_precision, config.embedder_threads
    return await asyncio.to_thread(registry.load, config.embedder, precision, threads)


async def _load_verifier(config: Config) -> PairReader:
    precision, threads = config.verifier_precision, config.verifier_threads
    return await asyncio.to_thread(PairReader.load, minilm.bundled_model(), verifier.SHIPPED, precision, threads)


@contextmanager
def _drained(admission: Admission) -> Iterator[None]:
    """Drains admission before the server stops: waiting generations are refused, running ones may finish."""
    try:
        yield
    finally:
        admission.drain()


def build_engine(config: Config) -> Engine:
    """Builds the configured engine. Raises CannotStart if it is not installed."""
    entry = engine_entry(config.engine)
    if problem := entry.missing():
        raise CannotStart(problem)
    return entry.build(config)
