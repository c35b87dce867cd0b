"""Which catalog a part of a running mesh follows, as the part itself reports."""

from dataclasses import dataclass

import grpc.aio

from weft.common.v1 import catalog_pb2 as pb
from weft.common.v1 import catalog_pb2_grpc as rpc
from weft_compose.state import RunningPart
from weft_kit.rpc.time import seconds_of

_FOLLOWERS = ("router", "gateway")
_LIMIT_S = 2.0


@dataclass(frozen=True)
class CatalogState:
    """The catalog in force, and what is wrong with the file on disk. Times are in seconds since 1970."""

    sha256: str
    load_time: float
    is_last_good: bool
    refuse_time: float
    """When the file was refused; 0 while it is in force."""
    problems: tuple[str, ...]
    keep_error: str
    """Why the catalog in force could not be stored for a start that finds the file broken; "" if it was."""


async def catalog_state(part: RunningPart, operator_token: str) -> CatalogState | None:
    """Asks a router or a gateway; returns None for other parts, and if there is no answer."""
    if part.kind not in _FOLLOWERS:
        return None
    async with grpc.aio.insecure_channel(part.address) as channel:
        stub: rpc.CatalogServiceAsyncStub = rpc.CatalogServiceStub(channel)
        authorization = ("authorization", f"Bearer {operator_token}")
        try:
            answer = await stub.GetCatalogStatus(
                pb.GetCatalogStatusRequest(), timeout=_LIMIT_S, metadata=(authorization,)
            )
        except grpc.aio.AioRpcError:
            return None
    return _read(answer.catalog)


def _read(status: pb.CatalogStatus) -> CatalogState:
    return CatalogState(
        sha256=status.sha256,
        load_time=seconds_of(status.load_time),
        is_last_good=status.is_last_good,
        refuse_time=seconds_of(status.refuse_time),
        problems=tuple(status.problems),
        keep_error=status.keep_error,
    )
