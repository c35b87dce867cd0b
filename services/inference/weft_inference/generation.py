"""Runs a generation from the queue to its last token, and counts it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from prometheus_client import Counter, Gauge, Histogram

from weft_inference.engines.engine import (
    Description,
    Engine,
    EngineRequest,
    Finish,
    Piece,
)
from weft_kit import logging
from weft_kit.admission import Admission
from weft_kit.rpc import context

_GENERATIONS = Counter("weft_inference_generations", "Generations that got a slot, by how they ended.", ["outcome"])
_TOKENS = Counter("weft_inference_tokens", "Tokens of finished generations.", ["kind"])
_RUNNING = Gauge("weft_inference_running_generations", "Generations in a slot now.")
_WAITING = Gauge("weft_inference_waiting_generations", "Generations waiting for a slot now.")
_QUEUE_SECONDS = Histogram("weft_inference_queue_seconds", "Time in the queue.")
_FIRST_TOKEN_SECONDS = Histogram("weft_inference_first_token_seconds", "Time from getting a slot to the first token.")


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request got a slot after waiting `queued_s`."""

    queued_s: float


Step = Admitted | Piece | Finish


class Generations:
    """Runs generations on one engine; one without a deadline may wait `patience_s` for a slot."""

    def __init__(self, engine: Engine, admission: Admission, patience_s: float) -> None:
        self._engine = engine
        self._patience_s = patience_s
        self.admission = admission
        self.finished = 0
        self.aborted = 0
        _RUNNING.set_function(lambda: admission.running)
        _WAITING.set_function(lambda: admission.waiting)

    def describe(self) -> Description:
        return self._engine.describe()

    async def run(self, generation: EngineRequest) -> AsyncGenerator[Step, None]:
        """Yields one Admitted, then pieces, then one Finish. Closing it earlier stops the engine and frees the slot."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        async with self.admission.slot(asked + context.remaining(self._patience_s), context.current().tenant):
            admitted = loop.time()
            _QUEUE_SECONDS.observe(admitted - asked)
            yield Admitted(admitted - asked)
            async with aclosing(self._counted(generation)) as steps:
                async for step in steps:
                    yield step

    async def _counted(self, generation: EngineRequest) -> AsyncGenerator[Piece | Finish, None]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        is_first = True
        outcome = "failed"
        try:
            async with aclosing(self._engine.generate(generation)) as steps:
                async for step in steps:
                    if isinstance(step, Finish):
                        outcome = "finished"
                        self._note(step)
                    elif is_first:
                        is_first = False
                        _FIRST_TOKEN_SECONDS.observe(loop.time() - began)
                    yield step
        except (asyncio.CancelledError, GeneratorExit):
            if outcome != "finished":
                outcome = "aborted"
                self.aborted += 1
            raise
        finally:
            _GENERATIONS.labels(outcome).inc()

    def _note(self, finish: Finish) -> None:
        self.finished += 1
        _TOKENS.labels("prompt").inc(finish.prompt_tokens)
        _TOKENS.labels("completion").inc(finish.completion_tokens)
        logging.note(tokens=finish.completion_tokens, prompt_tokens=finish.prompt_tokens, finish=finish.reason)
