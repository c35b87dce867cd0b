"""The gateways behind one endpoint, with the caller's key on every call, asked again while they restart."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

import grpc.aio
from google.protobuf.message import Message

from weft_client.endpoint import target
from weft_client.patience import Patience
from weft_kit.channel import Call, Channel
from weft_kit.errors import DependencyDown, WeftError

T = TypeVar("T")


class Connection:
    """A channel to the gateways. `bearer` is an API key, or the operator's token for KeyService.

    Raises:
        ValueError: the endpoint cannot be one.
    """

    def __init__(self, endpoint: str, bearer: str, patience_s: float = 30.0) -> None:
        self.channel = Channel(target(endpoint), "gateway")
        self.patience_s = patience_s
        self._authorization = ("authorization", f"Bearer {bearer}")

    @property
    def raw(self) -> grpc.aio.Channel:
        return self.channel.raw

    async def reach(self, within_s: float) -> None:
        """Connects; raises DependencyDown when nothing answers in time."""
        try:
            async with asyncio.timeout(within_s):
                await self.raw.channel_ready()
        except TimeoutError:
            raise DependencyDown("gateway", "no gateway answers at the endpoint; check that one runs there") from None

    def call(self, limit_s: float) -> Call:
        """Returns timeout and metadata, as Channel.call does, and who calls."""
        call = self.channel.call(limit_s)
        return {"timeout": call["timeout"], "metadata": (*call["metadata"], self._authorization)}

    async def ask(self, method: Callable[..., Awaitable[T]], request: Message, limit_s: float = 10.0) -> T:
        """Calls a unary method that may be repeated, and repeats it while it is UNAVAILABLE; raises WeftError."""
        patience = Patience(self.patience_s)
        while True:
            try:
                return await self.ask_once(method, request, limit_s)
            except WeftError as failure:
                await patience.outlast(failure)

    async def ask_once(self, method: Callable[..., Awaitable[T]], request: Message, limit_s: float = 10.0) -> T:
        """Calls a unary method; raises WeftError."""
        return await self.channel.unary(method(request, **self.call(limit_s)))

    async def __aenter__(self) -> Self:
        await self.channel.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.channel.__aexit__(kind, error, trace)
