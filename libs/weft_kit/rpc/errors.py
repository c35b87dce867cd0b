"""Every expected failure, with its status, its reason and what to do next.

    WeftError
    ├── Invalid              INVALID_ARGUMENT      the request can never work
    │   └── InvalidFields                          one violation per field
    ├── Unauthenticated      UNAUTHENTICATED       no usable key
    ├── PermissionDenied     PERMISSION_DENIED     the key does not allow it
    ├── NotFound             NOT_FOUND             not there for this tenant
    ├── AlreadyExists        ALREADY_EXISTS        there, but different
    ├── FailedPrecondition   FAILED_PRECONDITION   wrong state
    ├── Exhausted            RESOURCE_EXHAUSTED    the tenant's limit; wait
    ├── Unavailable          UNAVAILABLE           ours; another try may work
    │   ├── Overloaded                             no capacity is free
    │   ├── Draining                               shutting down
    │   └── DependencyDown                         a part does not answer
    ├── DeadlineExceeded     DEADLINE_EXCEEDED     the caller's time ran out
    ├── Unsupported          UNIMPLEMENTED         the engine or provider cannot
    └── Internal             INTERNAL              our bug; fixed text

Raise them anywhere: the interceptor encodes them (`weft_kit.rpc.status`). Anything else that escapes a handler becomes
`Internal`, so no exception text ever reaches a client.

An error's parts are cut to size when it is created, however much of a request it quotes: the whole must fit into
trailers, which every client limits, and it is also kept in batches, records and log lines.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import ClassVar, TypeAlias

import grpc

from weft.common.v1 import error_pb2
from weft_kit.shortening import bytes_on_wire, shortened

Reason: TypeAlias = error_pb2.ErrorReason.ValueType

# All in bytes on the wire. Together they keep the trailers, which hold the message twice, below 4 KiB.
_MESSAGE, _METADATA, _VIOLATIONS, _LISTED = 1024, 800, 1600, 600
_NAME, _TEXT, _PAIR = 160, 400, 8
_MOST_PAIRS = 20
_MOST_COUNTED = 1_000


class CannotStart(Exception):
    """The process cannot run as it is configured; its text, the only thing printed, says what to change."""


class WeftError(Exception):
    """A failure with a status for gRPC, a reason for programs, and a message that tells developers what to do next."""

    status: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        retry_after_s: float | None = None,
        metadata: Mapping[str, str] | None = None,
        violations: Mapping[str, str] | None = None,
    ) -> None:
        self.message = _brief(message, _MESSAGE)
        super().__init__(self.message)
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.metadata = _fitting((metadata or {}).items(), _METADATA)[0]
        self.violations = _fitting((violations or {}).items(), _VIOLATIONS)[0]

    @property
    def reason_name(self) -> str:
        return error_pb2.ErrorReason.Name(self.reason).removeprefix("ERROR_REASON_")


class Invalid(WeftError):
    status = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, reason: Reason, message: str, **metadata: str) -> None:
        super().__init__(reason, message, metadata=metadata)


class InvalidFields(Invalid):
    """One violation per field: path from the request message → what was expected.

    The first 20 are kept, as far as they fit; `more` in the metadata counts the others, up to 1000, so that a request
    full of mistakes costs no more than one with a few.
    """

    def __init__(self, violations: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        pairs = violations.items() if isinstance(violations, Mapping) else violations
        kept, more = _fitting(pairs, _VIOLATIONS)
        metadata = {"more": str(more)} if more else {}
        super().__init__(error_pb2.ERROR_REASON_INVALID_FIELD, _listed(kept, more), **metadata)
        self.violations = kept


def _listed(violations: Mapping[str, str], more: int) -> str:
    """Returns a text with the violations that fit, and the number of the others."""
    shown, left = [], _LISTED
    for field, problem in violations.items():
        sentence = _brief(f"{field}: {problem}", _LISTED)
        left -= bytes_on_wire(sentence)
        if left < 0:
            break
        shown.append(sentence)
    others = len(violations) - len(shown) + more
    if others:
        shown.append(f"and {'over ' if more >= _MOST_COUNTED else ''}{others} more")
    return "; ".join(shown)


def _fitting(pairs: Iterable[tuple[str, str]], most_bytes: int) -> tuple[dict[str, str], int]:
    """Returns the first 20 pairs that fit, each shortened, and the number of the others, counted to 1000."""
    kept: dict[str, str] = {}
    rest = iter(pairs)
    for name, text in rest:
        short_name, short_text = _brief(name, _NAME), _brief(text, _TEXT)
        most_bytes -= len(short_name.encode()) + len(short_text.encode()) + _PAIR
        if most_bytes < 0 or len(kept) == _MOST_PAIRS:
            return kept, sum(1 for _ in islice(rest, _MOST_COUNTED - 1)) + 1
        kept[short_name] = short_text
    return kept, 0


def _brief(text: str, most: int) -> str:
    """Returns a text that fits, with half surrogates, which UTF-8 cannot carry, replaced."""
    return shortened(text, most, bytes_on_wire).encode("utf-8", "replace").decode()


class Unauthenticated(WeftError):
    status = grpc.StatusCode.UNAUTHENTICATED

    def __init__(self, message: str) -> None:
        super().__init__(error_pb2.ERROR_REASON_UNAUTHENTICATED, message)


class PermissionDenied(WeftError):
    status = grpc.StatusCode.PERMISSION_DENIED

    def __init__(self, message: str) -> None:
        super().__init__(error_pb2.ERROR_REASON_PERMISSION_DENIED, message)


class NotFound(WeftError):
    status = grpc.StatusCode.NOT_FOUND

    def __init__(self, reason: Reason, message: str, **metadata: str) -> None:
        super().__init__(reason, message, metadata=metadata)


class AlreadyExists(WeftError):
    status = grpc.StatusCode.ALREADY_EXISTS

    def __init__(self, reason: Reason, message: str, **metadata: str) -> None:
        super().__init__(reason, message, metadata=metadata)


class FailedPrecondition(WeftError):
    status = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, reason: Reason, message: str, **metadata: str) -> None:
        super().__init__(reason, message, metadata=metadata)


class Exhausted(WeftError):
    status = grpc.StatusCode.RESOURCE_EXHAUSTED

    def __init__(self, reason: Reason, message: str, retry_after_s: float, **metadata: str) -> None:
        super().__init__(reason, message, retry_after_s=retry_after_s, metadata=metadata)


class Unavailable(WeftError):
    status = grpc.StatusCode.UNAVAILABLE


class Overloaded(Unavailable):
    def __init__(self, message: str, retry_after_s: float, **metadata: str) -> None:
        super().__init__(error_pb2.ERROR_REASON_OVERLOADED, message, retry_after_s=retry_after_s, metadata=metadata)


class Draining(Unavailable):
    def __init__(self, message: str = "this replica is shutting down; retry", retry_after_s: float = 0.1) -> None:
        super().__init__(error_pb2.ERROR_REASON_DRAINING, message, retry_after_s=retry_after_s)


class DependencyDown(Unavailable):
    def __init__(self, dependency: str, message: str, retry_after_s: float = 1.0) -> None:
        metadata = {"dependency": dependency}
        reason = error_pb2.ERROR_REASON_DEPENDENCY_DOWN
        super().__init__(reason, message, retry_after_s=retry_after_s, metadata=metadata)


class DeadlineExceeded(WeftError):
    status = grpc.StatusCode.DEADLINE_EXCEEDED

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(error_pb2.ERROR_REASON_DEADLINE_EXCEEDED, message, metadata=metadata)


class Unsupported(WeftError):
    status = grpc.StatusCode.UNIMPLEMENTED

    def __init__(self, capability: str, message: str) -> None:
        super().__init__(error_pb2.ERROR_REASON_UNSUPPORTED, message, metadata={"capability": capability})


class Internal(WeftError):
    """A bug of Weft's. The text is fixed; what happened is in the log, under the call id."""

    def __init__(self, call_id: str) -> None:
        message = "internal error; the operator finds it in the log under this call id"
        super().__init__(error_pb2.ERROR_REASON_INTERNAL, message, metadata={"call_id": call_id})
