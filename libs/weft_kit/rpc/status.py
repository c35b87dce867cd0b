"""Errors to and from gRPC: google.rpc.Status with ErrorInfo, BadRequest and RetryInfo.

Both RetryInfo and the trailer `grpc-retry-pushback-ms` are sent: gRPC's own retries read only the trailer.
Sources: google/rpc/error_details.proto, AIP-193, gRFC A6.
"""

from collections.abc import Mapping

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import (
    DeadlineExceeded,
    DependencyDown,
    Internal,
    Unavailable,
    Unsupported,
    WeftError,
)
from weft_kit.rpc.time import duration, seconds_of

DOMAIN = "weft"
DETAILS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"


# With base64, and the message, which trailers carry once more, everything stays below 4 KiB.
_MOST_DETAILS = 2_340


def to_trailers(error: WeftError) -> tuple[tuple[str, str | bytes], ...]:
    """Returns an error's details, encoded as trailing metadata."""
    details = [_packed(error_details_pb2.ErrorInfo(reason=error.reason_name, domain=DOMAIN, metadata=error.metadata))]
    trailers: list[tuple[str, str | bytes]] = []
    if error.retry_after_s is not None:
        details.append(_packed(error_details_pb2.RetryInfo(retry_delay=duration(error.retry_after_s))))
        trailers.append((PUSHBACK_KEY, str(max(1, round(error.retry_after_s * 1000)))))
    status = status_pb2.Status(code=error.status.value[0], message=error.message, details=details)
    if error.violations:
        room = _MOST_DETAILS - status.ByteSize()
        status.details.insert(1, _bad_request(error.violations, room))
    return (*trailers, (DETAILS_KEY, status.SerializeToString()))


def _bad_request(violations: Mapping[str, str], room: int) -> any_pb2.Any:
    """Returns the violations that there is room for: a peer may send many of them, and a long message."""
    violation = error_details_pb2.BadRequest.FieldViolation
    fields = [violation(field=name, description=problem) for name, problem in violations.items()]
    packed = _packed(error_details_pb2.BadRequest(field_violations=fields))
    while fields and packed.ByteSize() > room:
        fields.pop()
        packed = _packed(error_details_pb2.BadRequest(field_violations=fields))
    return packed


def from_rpc(error: grpc.aio.AioRpcError, dependency: str) -> WeftError:
    """Returns a failed call to `dependency` as a WeftError, which keeps a Weft peer's reason, metadata and wait."""
    status = _status(error)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info) and info.domain == DOMAIN:
            return _from_peer(error.code(), status, info)
    return _from_stranger(error, dependency)


class PeerError(WeftError):
    """An error of a Weft peer, passed on unchanged."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: error_pb2.ErrorReason.ValueType,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason, message, metadata=metadata, violations=violations)
        self.status = code  # type: ignore[misc]  # the peer's code, not this class's


def _from_peer(code: grpc.StatusCode, status: status_pb2.Status | None, info: error_details_pb2.ErrorInfo) -> WeftError:
    known = error_pb2.ErrorReason.keys()
    name = f"ERROR_REASON_{info.reason}"
    reason = error_pb2.ErrorReason.Value(name) if name in known else error_pb2.ERROR_REASON_UNSPECIFIED
    bad, retry = error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    violations, retry_after_s = {}, None
    for detail in status.details if status else ():
        if detail.Unpack(bad):
            violations = {v.field: v.description for v in bad.field_violations}
        elif detail.Unpack(retry):
            retry_after_s = seconds_of(retry.retry_delay)
    message = status.message if status else ""
    found = PeerError(code, reason, message, metadata=info.metadata, violations=violations)
    found.retry_after_s = retry_after_s
    return found


def _from_stranger(error: grpc.aio.AioRpcError, dependency: str) -> WeftError:
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        message = f"{dependency} did not answer in time; check that it runs, or allow more time"
        return DeadlineExceeded(message, dependency=dependency)
    if code is grpc.StatusCode.CANCELLED:
        reason = error_pb2.ERROR_REASON_CANCELLED
        return Unavailable(reason, f"the call to {dependency} was cancelled; retry", retry_after_s=0.1)
    if code is grpc.StatusCode.UNAVAILABLE:
        return DependencyDown(dependency, f"{dependency} does not answer; retry, and check that it runs")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return Unsupported("method", f"what answers as {dependency} has no such method; check the address")
    return Internal(call_id="")


def _status(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
