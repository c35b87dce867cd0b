"""The audit log: an event is written before an operator's call does anything, and updated before it is answered.

Without PostgreSQL no operator's call does anything, except calls that only show the gateway's own state, since those
are needed when something is wrong. If the outcome of a call cannot be written the call is answered all the same, since
it is done, and its event has no outcome; the gateway's log has both.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import structlog

from weft_gateway.audit.events import AuditEvent
from weft_gateway.audit.postgres_audit import AuditStore
from weft_kit.logging import note, noted
from weft_kit.rpc.context import bound, current
from weft_kit.rpc.errors import DependencyDown, WeftError
from weft_kit.shortening import shortened

_DONE_WITHOUT: Final = "/weft.common.v1.CatalogService/"
_MOST_NAME: Final = 128
_REFUSALS_A_MINUTE: Final = 10


class AuditLog:
    """Records the operator's calls, and calls that needed the operator's token and did not have it."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store
        self._minute = 0
        self._refusals = 0
        self._unrecorded = 0

    def account(self, method: str) -> "OperatorCall | None":
        """Returns the account of an authenticated call; None for tenants' calls."""
        return OperatorCall(self._store, method) if noted("operator") else None

    async def refuse(self, method: str, error: WeftError) -> None:
        """Records a call that lacked the operator's token. Anyone can make many of them, so most are only counted."""
        minute = int(time.monotonic() / 60)
        if minute != self._minute:
            self._minute, self._refusals = minute, 0
        self._refusals += 1
        if self._refusals > _REFUSALS_A_MINUTE:
            self._unrecorded += 1
            return
        unrecorded, self._unrecorded = self._unrecorded, 0
        event = _event(method, unrecorded=unrecorded)
        await _keep_if_possible(self._store, replace(event, code=error.status.name, reason=error.reason_name))


class OperatorCall:
    """One call of the operator. A `weft_kit.rpc.accounts.Account`."""

    def __init__(self, store: AuditStore, method: str) -> None:
        self._store = store
        self._event = _event(method)

    async def begin(self, request: Any) -> None:
        """Writes that the call is about to run. Raises DependencyDown if that cannot be written: then the call must not
        run.
        """
        for name in ("tenant", "key_id"):
            if about := getattr(request, name, ""):
                note(**{f"subject_{name}": shortened(about, _MOST_NAME)})
        try:
            await self._store.keep(self._with_subject())
        except DependencyDown:
            if not self._event.method.startswith(_DONE_WITHOUT):
                raise

    async def end(self, code: str, reason: str) -> None:
        """Writes the outcome of the call."""
        await _keep_if_possible(self._store, replace(self._with_subject(), code=code, reason=reason))

    def _with_subject(self) -> AuditEvent:
        return replace(self._event, tenant=noted("subject_tenant"), key_id=noted("subject_key_id"))


def _event(method: str, unrecorded: int = 0) -> AuditEvent:
    return AuditEvent(
        event_id=str(uuid4()),
        time=datetime.now(UTC),
        method=method,
        call_id=current().call_id,
        operator=noted("operator"),
        address=noted("address"),
        unrecorded=unrecorded,
    )


async def _keep_if_possible(store: AuditStore, event: AuditEvent) -> None:
    try:
        # It is written even if the caller has no time left.
        with bound(replace(current(), deadline=None)):
            await store.keep(event)
    except DependencyDown:
        structlog.get_logger().warning("not in the audit log", call_id=event.call_id, method=event.method)
