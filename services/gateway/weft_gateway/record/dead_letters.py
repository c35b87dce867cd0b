"""Events that cannot be recorded: how they are distinguished from an outage, and what is kept of them."""

from dataclasses import dataclass
from typing import Final, Self

import psycopg
from google.protobuf.message import DecodeError

from weft.job.v1 import event_pb2
from weft_gateway.postgres import is_too_large
from weft_kit.joblog import Unreadable, envelope_of, kind_of

_LONGEST_REASON: Final = 500
_LONGEST_NAME: Final = 64
_NO_EVENT: Final = DecodeError("the message is no JobEvent")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was set aside. Its texts are in a form that PostgreSQL accepts."""

    job_id: str
    sequence: int
    kind: str
    tenant: str
    event: bytes
    reason: str
    cause: str
    """Returns the reason without words from the event, for the log."""

    @classmethod
    def of(cls, event: event_pb2.JobEvent, refusal: Exception) -> Self:
        """Returns the dead letter of a refused event."""
        name = _text(event.job_id, _LONGEST_NAME)
        tenant = _text(envelope_of(event).tenant, _LONGEST_NAME)
        encoded = event.SerializeToString()
        return cls(name, event.sequence, kind_of(event), tenant, encoded, _reason(refusal), _cause(refusal))

    @classmethod
    def of_unreadable(cls, message: Unreadable) -> Self:
        """Returns the dead letter of bytes that are not an event."""
        job_id, kind, sequence, payload = message
        return cls(job_id, sequence, kind, "", payload, _reason(_NO_EVENT), _cause(_NO_EVENT))


def is_poison(error: Exception) -> bool:
    """Returns whether an error is caused by the data, and would occur again.

    All other errors may come from an outage: a lost connection, a full disk, a shutdown, a deadlock, a missing schema.
    """
    if isinstance(error, psycopg.Error):
        return isinstance(error, psycopg.DataError | psycopg.IntegrityError) or is_too_large(error)
    return isinstance(error, DecodeError | ValueError | OverflowError)


def _reason(error: Exception) -> str:
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return _text(f"{_cause(error)}: {said or error}", _LONGEST_REASON)


def _cause(error: Exception) -> str:
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return " ".join(filter(None, (type(error).__name__, state)))


def _text(said: str, longest: int) -> str:
    """Returns the text in a form that PostgreSQL accepts, whatever it contains."""
    return said[:longest].replace("\0", "\ufffd").encode(errors="replace").decode()
