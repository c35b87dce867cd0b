"""Who calls, for which tenant, until when: the context that every call passes on.

The tenant, the key id, the call id and the W3C trace context travel in gRPC metadata and in NATS headers, through one
inject/extract pair. Deadlines do not propagate by themselves in Python, so the context also holds the deadline, and
`remaining` turns a callee's own limit into min(limit, what is left).
"""

import asyncio
import math
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from weft_kit.rpc.errors import DeadlineExceeded, Unauthenticated

TENANT_KEY = "weft-tenant"
KEY_ID_KEY = "weft-key-id"
CALL_ID_KEY = "weft-call-id"
TRACE_KEY = "traceparent"

# The time reserved for an answer to reach the caller: a share of the remaining time, up to a limit.
_ANSWER_SHARE = 0.1
_MOST_ANSWER_S = 1.0


def new_call_id() -> str:
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class CallContext:
    """One call's identity. `deadline` is in the event loop's time; None means no limit."""

    call_id: str = field(default_factory=new_call_id)
    tenant: str = ""
    key_id: str = ""
    traceparent: str = ""
    deadline: float | None = None


_current: ContextVar[CallContext | None] = ContextVar("weft_call", default=None)


def current() -> CallContext:
    """Returns the context of the call being handled; outside of a call, a new anonymous one."""
    return _current.get() or CallContext()


def current_tenant() -> str:
    """Returns the caller's tenant. Raises Unauthenticated when the call names none."""
    tenant = current().tenant
    if not tenant:
        raise Unauthenticated(f"the call names no tenant; send {TENANT_KEY} metadata, or go through the gateway")
    return tenant


def enter(context: CallContext) -> None:
    """Sets the context for the rest of this task. It is never reset, because a stream's generator may change tasks."""
    _current.set(context)


@contextmanager
def bound(context: CallContext) -> Iterator[CallContext]:
    """Sets the context for code outside of an RPC: a worker's job, a script, a test."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)


def remaining(limit_s: float) -> float:
    """Returns min(`limit_s`, the seconds the caller has left). Raises DeadlineExceeded when none are left."""
    deadline = current().deadline
    if deadline is None:
        return limit_s
    left = deadline - asyncio.get_running_loop().time()
    if left <= 0:
        raise DeadlineExceeded("the caller's deadline has passed; allow more time")
    return min(limit_s, left)


def remaining_to_pass_on(limit_s: float) -> float:
    """Returns the same for a call to another service, less some time reserved for answering the caller.

    Otherwise the caller would give up at the same moment, and never learn which service was silent.
    """
    left = remaining(math.inf)
    return min(limit_s, left - min(_MOST_ANSWER_S, left * _ANSWER_SHARE))


def inject() -> tuple[tuple[str, str], ...]:
    """Returns the current context as metadata or headers; empty values are left out."""
    context = current()
    pairs = (
        (TENANT_KEY, context.tenant),
        (KEY_ID_KEY, context.key_id),
        (CALL_ID_KEY, context.call_id),
        (TRACE_KEY, context.traceparent),
    )
    return tuple((key, value) for key, value in pairs if value)


def extract(carried: Mapping[str, str], deadline: float | None = None) -> CallContext:
    """Returns the context that a trusted peer injected."""
    return CallContext(
        call_id=carried.get(CALL_ID_KEY) or new_call_id(),
        tenant=carried.get(TENANT_KEY, ""),
        key_id=carried.get(KEY_ID_KEY, ""),
        traceparent=carried.get(TRACE_KEY, ""),
        deadline=deadline,
    )
