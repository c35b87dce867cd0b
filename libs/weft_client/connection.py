"""The gateway's one endpoint, with the caller's key on every call."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

import grpc.aio
from google.protobuf.message import Message

from weft_kit.channel import Call, Channel

T = TypeVar("T")


class Connection:
    """A channel to the gateway. `bearer` is an API key, or the operator's token for KeyService."""

    def __init__(self, endpoint: str, bearer: str) -> None:
        self.channel = Channel(endpoint, "gateway")
        self._authorization = ("authorization", f"Bearer {bearer}")

    @property
    def raw(self) -> grpc.aio.Channel:
        return self.channel.raw

    def call(self, limit_s: float) -> Call:
        """Returns timeout and metadata, as Channel.call does, and who calls."""
        call = self.channel.call(limit_s)
        return {"timeout": call["timeout"], "metadata": (*call["metadata"], self._authorization)}

    async def ask(self, method: Callable[..., Awaitable[T]], request: Message, limit_s: float = 10.0) -> T:
        """Calls a unary method; raises WeftError."""
        return await self.channel.unary(method(request, **self.call(limit_s)))

    async def __aenter__(self) -> Self:
        await self.channel.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.channel.__aexit__(kind, error, trace)
