"""Weft's own engines, called over gRPC."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import grpc

from weft.common.v1 import error_pb2
from weft.inference.v1 import inference_pb2, inference_pb2_grpc
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.errors import Reason, WeftError
from weft_router.providers import encoding
from weft_router.providers.provider import (
    ProviderError,
    Remedy,
    Step,
    broken,
)

_GET_ENGINE_LIMIT_S = 2.0

_BY_REASON: dict[Reason, Reason] = {
    error_pb2.ERROR_REASON_OVERLOADED: error_pb2.ERROR_REASON_PROVIDER_OVERLOADED,
    error_pb2.ERROR_REASON_DRAINING: error_pb2.ERROR_REASON_PROVIDER_OVERLOADED,
    error_pb2.ERROR_REASON_DEPENDENCY_DOWN: error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE,
}
_BY_STATUS: dict[grpc.StatusCode, tuple[Reason, Remedy]] = {
    grpc.StatusCode.INVALID_ARGUMENT: (error_pb2.ERROR_REASON_PROVIDER_REJECTED, Remedy.NEXT_ROUTE),
    grpc.StatusCode.UNIMPLEMENTED: (error_pb2.ERROR_REASON_PROVIDER_REJECTED, Remedy.ANOTHER_PROVIDER),
    grpc.StatusCode.DEADLINE_EXCEEDED: (error_pb2.ERROR_REASON_PROVIDER_TIMEOUT, Remedy.ANOTHER_TRY),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (error_pb2.ERROR_REASON_PROVIDER_OVERLOADED, Remedy.ANOTHER_TRY),
}
_OTHERWISE = (error_pb2.ERROR_REASON_PROVIDER_ERROR, Remedy.ANOTHER_TRY)


class InferenceProvider:
    """One inference service behind one channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._stub: inference_pb2_grpc.InferenceServiceAsyncStub = inference_pb2_grpc.InferenceServiceStub(channel.raw)
        self._continues_prefix: bool | None = None

    @asynccontextmanager
    async def stream(
        self, request: inference_pb2.GenerateRequest, limit_s: float
    ) -> AsyncIterator[AsyncIterator[Step]]:
        """Asks the engine; see Provider."""
        encoding.refuse_images(request.messages)
        try:
            async with (
                self._channel.streaming(self._stub.Generate(request, **self._channel.call(limit_s))) as responses,
                aclosing(_steps(responses)) as steps,
            ):
                yield steps
        except WeftError as error:
            raise provider_error(error) from None

    def changes(self, _request: inference_pb2.GenerateRequest) -> Sequence[str]:
        """Returns nothing: Weft's engines accept all settings unchanged."""
        return ()

    async def continues_prefix(self) -> bool:
        """Returns what the engine says, asked once; one that does not answer is assumed to start over."""
        if self._continues_prefix is None:
            try:
                call = self._stub.GetEngine(inference_pb2.GetEngineRequest(), **self._channel.call(_GET_ENGINE_LIMIT_S))
                self._continues_prefix = (await self._channel.unary(call)).continues_prefix
            except WeftError:
                return False
        return self._continues_prefix

    async def check(self, _model: str, limit_s: float) -> None:
        """Asks the engine what it is; see Provider."""
        try:
            await self._channel.unary(
                self._stub.GetEngine(inference_pb2.GetEngineRequest(), **self._channel.call(limit_s))
            )
        except WeftError as error:
            raise provider_error(error) from None


async def _steps(responses: AsyncIterator[inference_pb2.GenerateResponse]) -> AsyncGenerator[Step, None]:
    async for response in responses:
        match response.WhichOneof("event"):
            case "admitted":
                yield response.admitted
            case "delta":
                yield response.delta
            case "finished":
                yield response.finished
                return
    raise broken("ended its stream without the end marker")


def provider_error(error: WeftError) -> ProviderError:
    """Returns the ProviderError for a failure of an inference service."""
    reason, remedy = _BY_STATUS.get(error.status, _OTHERWISE)
    if error.reason == error_pb2.ERROR_REASON_DRAINING:
        remedy = Remedy.ANOTHER_REPLICA
    return ProviderError(_BY_REASON.get(error.reason, reason), error.message, remedy, error.retry_after_s)
