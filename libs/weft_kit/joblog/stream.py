"""The stream itself: created when missing, checked when there, never shrunk in silence."""

import stamina
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RePublish, RetentionPolicy, StorageType, StreamConfig, StreamInfo
from nats.js.errors import NotFoundError, ServiceUnavailableError

from weft_kit.joblog.settings import LogConfig


class StreamMismatch(Exception):
    """The stream exists with settings that would lose or hide messages if changed."""


@stamina.retry(on=(NatsTimeout, NoRespondersError, ServiceUnavailableError), attempts=None, timeout=60, wait_max=2)
async def ensure_stream(js: JetStreamContext, config: LogConfig) -> StreamInfo:
    """Creates the stream, or widens an existing one; idempotent, safe to run from every replica at once.

    Waits up to a minute for a log that is not there yet, or is electing its leader. Raises StreamMismatch when the
    existing stream keeps more than the configuration asks for: whoever really wants less must say so to the server
    (`nats stream edit`), because what was accepted would be lost.
    """
    wanted = _wanted(config)
    try:
        existing = (await js.stream_info(config.stream)).config
    except NotFoundError:
        return await js.add_stream(wanted)
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
        message = f"stream {config.stream} keeps more than configured ({'; '.join(shrinks)}); edit one of them"
        raise StreamMismatch(message)
    return await js.update_stream(wanted)


def _wanted(config: LogConfig) -> StreamConfig:
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
        republish=RePublish(src=f"{config.prefix}.>", dest=f"{config.live_prefix}.>"),
    )
