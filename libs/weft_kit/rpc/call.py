"""Server-side operations on a call: write to it, and end it with an error."""

import asyncio
from typing import Any, NoReturn, TypeAlias

import grpc.aio

from weft_kit.rpc.errors import WeftError
from weft_kit.rpc.status import to_trailers

Rpc: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


async def write(rpc: Rpc, message: Any) -> None:
    """Writes to the reader; if the reader has just left, raises CancelledError."""
    try:
        await rpc.write(message)
    except grpc.aio.InternalError as error:
        raise asyncio.CancelledError from error


async def abort(rpc: Rpc, error: WeftError) -> NoReturn:
    """Ends the call with an error and its details."""
    await rpc.abort(error.status, error.message, to_trailers(error))
