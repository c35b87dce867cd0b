"""The event that is recorded for an operator's call."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One call. It contains nothing secret and nothing longer than a line."""

    event_id: str
    time: datetime
    method: str
    call_id: str
    operator: str = ""
    """Fingerprint of the token; empty if it was not the operator's."""
    address: str = ""
    tenant: str = ""
    key_id: str = ""
    """The key that the call was about, if any."""
    code: str = ""
    """Name of the status; empty while the call is running."""
    reason: str = ""
    """Name of the ErrorReason."""
    unrecorded: int = 0
    """Refused calls before this one that were only counted."""
