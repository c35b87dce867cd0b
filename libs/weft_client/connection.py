"""The gateways behind one endpoint, with the caller's key on every call, and retries while they restart."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc.aio
from google.protobuf.message import Message

from weft_client.endpoint import target
from weft_client.observer import Observer
from weft_client.retry import Patience, silent
from weft_kit.rpc.channel import Channel, UnaryCall
from weft_kit.rpc.context import remaining
from weft_kit.rpc.errors import DeadlineExceeded, DependencyDown, WeftError

T = TypeVar("T")

# How long an answer that needs no work may take; gateways give up the slowest of these, reading the record, earlier.
_ANSWER_S = 10.0


class Connection:
    """A channel to the gateways. `bearer` is an API key, or the operator's token for KeyService.

    For `patience_s` see WeftClient.

    Raises:
        ValueError: the endpoint is not valid.
    """

    def __init__(self, endpoint: str, bearer: str, patience_s: float = 30.0, observer: Observer | None = None) -> None:
        self.channel = Channel(target(endpoint), "gateway")
        self.observer = observer or Observer()
        self._endpoint = endpoint
        self._patience_s = patience_s
        self._authorization = ("authorization", f"Bearer {bearer}")

    @property
    def raw(self) -> grpc.aio.Channel:
        return self.channel.raw

    async def reach(self, within_s: float) -> None:
        """Connects. Raises DependencyDown when no gateway answers in time."""
        try:
            async with asyncio.timeout(within_s):
                await self.raw.channel_ready()
        except TimeoutError:
            raise DependencyDown("gateway", "no gateway answers at the endpoint; check that one runs there") from None

    def call(self, limit_s: float) -> UnaryCall:
        """Returns timeout and metadata, as Channel.call does, with the caller's key."""
        call = self.channel.call(limit_s)
        return {"timeout": call["timeout"], "metadata": (*call["metadata"], self._authorization)}

    def patience(self) -> Patience:
        """Returns the patience of one call, over all its attempts."""
        return Patience(self._patience_s, self._endpoint)

    async def ask(self, method: Callable[..., Awaitable[T]], request: Message, work_s: float = 0.0) -> T:
        """Calls a unary method that may be repeated, until it answers or patience runs out.

        The answer should come at once, or after the `work_s` that the method may need for its work.

        Raises:
            WeftError: the call was refused, or no gateway answered.
        """
        patience, now = self.patience(), asyncio.get_running_loop().time
        while True:
            self.observer.on_call()
            try:
                answer = await self.ask_once(method, request, work_s, patience.try_s(now()))
            except WeftError as failure:
                self.observer.on_failure(failure)
                await patience.outlast(failure)
            else:
                self.observer.on_answer()
                return answer

    async def ask_once(
        self,
        method: Callable[..., Awaitable[T]],
        request: Message,
        work_s: float = 0.0,
        answer_s: float = _ANSWER_S,
    ) -> T:
        """Calls a unary method. Raises WeftError; a gateway that does not answer in time counts as unavailable."""
        call = self.call(min(answer_s, _ANSWER_S) + work_s)
        try:
            return await self.channel.unary(method(request, **call))
        except DeadlineExceeded:
            remaining(_ANSWER_S)  # raises if the time that ran out was that of a surrounding call
            raise silent() from None

    @asynccontextmanager
    async def stream(
        self, method: "grpc.aio.UnaryStreamMultiCallable[Any, T]", request: Message, limit_s: float
    ) -> AsyncIterator[AsyncIterator[T]]:
        """Opens a stream for at most `limit_s`, and enters the block once its header has arrived.

        Leaving the block ends the stream. Raises WeftError.
        """
        call = method(request, **self.call(limit_s))
        async with self.channel.streaming(call) as replies:
            await call.initial_metadata()
            yield replies

    async def __aenter__(self) -> Self:
        await self.channel.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.channel.__aexit__(kind, error, trace)
