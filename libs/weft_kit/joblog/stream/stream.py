"""The stream: created as large as space allows, checked if it exists, never shrunk silently."""

import structlog
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RePublish, RetentionPolicy, StorageType, StreamConfig, StreamInfo
from nats.js.errors import APIError, NotFoundError

from weft_kit.joblog.settings import LEAST_BYTES, LogConfig
from weft_kit.mesh_id import OtherMesh
from weft_kit.rpc.errors import CannotStart, DependencyDown

_NAME_IN_USE = 10058
_NO_STORAGE = 10047
_NO_PEERS = 10005
# The rest stays for other streams, such as the one of ingest jobs.
_SHARE_OF_FREE = 3, 4
# The stream's metadata about its owner.
_MESH, DATABASE = "weft-mesh", "weft-database"


class StreamMismatch(CannotStart):
    """The stream exists with settings that would lose or hide messages if changed."""


class NoRoom(DependencyDown):
    """The server has not even the disk for the smallest log."""

    def __init__(self, stream: str) -> None:
        mib = LEAST_BYTES // 1024**2
        super().__init__(
            "nats",
            f"nats-server has no {mib} MiB of disk to reserve for the stream {stream}: free space on its disk, then"
            " restart nats-server, which looks at it as it starts",
        )


async def ensure_stream(js: JetStreamContext, config: LogConfig, database: str = "") -> StreamInfo:
    """Creates the stream, or enlarges an existing one; idempotent, safe to run from every replica at once.

    It says from then on which mesh it is of, and, from whoever knows one, with which database. Raises OtherMesh when it
    says something else already.

    Where the server cannot reserve `max_bytes` for it, it gets three quarters of what the server can, and a later call
    widens it once there is room. Raises NoRoom where that is too little, and StreamMismatch when the existing stream
    keeps more than the configuration asks for: whoever really wants less must say so to the server
    (`nats stream edit`), because what was accepted would be lost.
    """
    wanted = _wanted(config, database)
    try:
        existing = await js.stream_info(config.stream)
    except NotFoundError:
        return await _create(js, wanted)
    return await _widen(js, existing, wanted)


async def _create(js: JetStreamContext, wanted: StreamConfig) -> StreamInfo:
    try:
        return await js.add_stream(wanted)
    except APIError as error:
        if error.err_code == _NAME_IN_USE:  # another replica made it meanwhile, as large as it could
            return await _widen(js, await js.stream_info(_name(wanted)), wanted)
        if not _is_too_large(error):
            raise
    return await _create_smaller(js, wanted)


async def _create_smaller(js: JetStreamContext, wanted: StreamConfig) -> StreamInfo:
    """Finds by trial how much the server can reserve, which it does not report, and takes its share of that."""
    created: StreamInfo | None = None
    fits, refused = 0, wanted.max_bytes or 0
    while refused > LEAST_BYTES and refused - fits > refused // 16:
        size = max(LEAST_BYTES, (fits + refused) // 2)
        try:
            sized = wanted.evolve(max_bytes=size)
            created = await (js.update_stream(sized) if created else js.add_stream(sized))
            fits = size
        except APIError as error:
            if not _is_too_large(error):
                raise
            refused = size
    if created is None:
        raise NoRoom(_name(wanted))
    share, of = _SHARE_OF_FREE
    return await js.update_stream(wanted.evolve(max_bytes=max(LEAST_BYTES, fits * share // of)))


async def _widen(js: JetStreamContext, existing: StreamInfo, wanted: StreamConfig) -> StreamInfo:
    """Brings a stream to its configuration, as far as space allows."""
    _refuse_other_mesh(existing.config, wanted)
    _refuse_to_shrink(existing.config, wanted)
    wanted = wanted.evolve(metadata={**_metadata(existing.config), **_metadata(wanted)})
    had = existing.config.max_bytes or 0
    # A server short of room refuses every change, even one that asks for no more.
    for size in dict.fromkeys((wanted.max_bytes or 0, min(2 * had, wanted.max_bytes or 0), had)):
        sized = wanted.evolve(max_bytes=size)
        if _is_like(existing.config, sized):
            return existing
        try:
            return await js.update_stream(sized)
        except APIError as error:
            if not _is_too_large(error):
                raise
    structlog.get_logger().warning("no room to change the stream; it stays as it is", stream=wanted.name)
    return existing


def _refuse_other_mesh(existing: StreamConfig, wanted: StreamConfig) -> None:
    """Raises OtherMesh; a stream from before there were mesh ids says nothing, and is taken."""
    theirs, ours = _metadata(existing), _metadata(wanted)
    for name in (_MESH, DATABASE):
        if name in theirs and name in ours and theirs[name] != ours[name]:
            raise OtherMesh(f"the stream {_name(wanted)} in NATS", theirs[_MESH], ours[_MESH])


def _metadata(config: StreamConfig) -> dict[str, str]:
    return dict(config.metadata or {})


def _refuse_to_shrink(existing: StreamConfig, wanted: StreamConfig) -> None:
    shrinks = [
        f"{name}: {had} there, {wants} configured"
        for name, had, wants in (
            ("max_age", existing.max_age or 0, wanted.max_age or 0),
            ("max_bytes", existing.max_bytes or 0, wanted.max_bytes or 0),
            ("num_replicas", existing.num_replicas or 1, wanted.num_replicas or 1),
        )
        if had > wants
    ]
    if shrinks:
        message = f"stream {wanted.name} keeps more than configured ({'; '.join(shrinks)}); edit one of them"
        raise StreamMismatch(message)


def _is_like(existing: StreamConfig, wanted: StreamConfig) -> bool:
    """Returns whether the stream is as wanted; settings that are not configured are left to the server."""
    there = existing.as_dict()
    return all(there.get(key) == value for key, value in wanted.as_dict().items() if key != "duplicate_window")


def _is_too_large(error: APIError) -> bool:
    """Says whether the server, or too many peers of a cluster, cannot reserve as much storage."""
    lacks_peers = error.err_code == _NO_PEERS and "storage" in (error.description or "")
    return error.err_code == _NO_STORAGE or lacks_peers


def _name(config: StreamConfig) -> str:
    return str(config.name)


def _wanted(config: LogConfig, database: str) -> StreamConfig:
    return StreamConfig(
        name=config.stream,
        subjects=[f"{config.prefix}.>"],
        retention=RetentionPolicy.LIMITS,
        # Refuse new jobs rather than forget accepted ones.
        discard=DiscardPolicy.NEW,
        storage=StorageType.FILE,
        num_replicas=config.replicas,
        max_age=config.retention_s,
        max_bytes=config.max_bytes,
        allow_direct=True,
        allow_msg_ttl=True,
        metadata={_MESH: config.mesh_id, **({DATABASE: database} if database else {})},
        republish=RePublish(src=f"{config.prefix}.>", dest=f"{config.live_prefix}.>"),
    )
