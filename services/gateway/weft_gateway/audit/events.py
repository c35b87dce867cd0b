"""What is kept of an operator's call."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One call. Nothing in it is secret, nor longer than a line."""

    event_id: str
    time: datetime
    method: str
    call_id: str
    operator: str = ""
    """Fingerprint of the token; empty when it was not the operator's."""
    address: str = ""
    tenant: str = ""
    key_id: str = ""
    """What it was about, where it was about one."""
    code: str = ""
    """Name of the status; empty while the call is under way."""
    reason: str = ""
    """Name of the ErrorReason."""
    unrecorded: int = 0
    """Refused calls before this one that were only counted."""
