"""Job ids and the subjects they live under: `jobs.<lane>.<key>.<kind>`, all readable from the id alone.

A job id is `<lane>-<key>`. The lane is one letter of priority and a tag of the tenant, so that any replica finds a
job's subjects, and refuses another tenant's, without asking anybody. The key is random but ascending in time, or
derived from (tenant, request id), which is what makes a repeat meet the first job.
"""

import hashlib
import re
import secrets
import time
from base64 import b32hexencode
from dataclasses import dataclass
from functools import lru_cache

from weft.job.v1 import event_pb2, job_pb2

_LETTERS = {job_pb2.PRIORITY_HIGH: "h", job_pb2.PRIORITY_NORMAL: "n", job_pb2.PRIORITY_LOW: "l"}
PRIORITIES = frozenset(_LETTERS)
_FORM = re.compile(r"([hnl][0-9a-v]{8})-([0-9a-v]{26})")
HIGH = 0
_LANE = re.compile(r"[hnl][0-9a-v]{8}")

KINDS = ("accepted", "started", "delta", "progress", "rewound", "released", "cancel_requested", "done", "deleted")
"""The last token of a subject: the name of the event's field in `JobEvent`."""


@dataclass(frozen=True, slots=True)
class JobKey:
    """A job id taken apart."""

    lane: str
    key: str

    @classmethod
    def parse(cls, job_id: str) -> "JobKey | None":
        """Returns the parts, or None if it is not one of our ids (and so cannot be part of a subject either)."""
        form = _FORM.fullmatch(job_id)
        return cls(form[1], form[2]) if form else None

    def subject(self, prefix: str, kind: str) -> str:
        return f"{prefix}.{self.lane}.{self.key}.{kind}"

    def all_kinds(self, prefix: str) -> str:
        return f"{prefix}.{self.lane}.{self.key}.>"

    def any_lane(self, prefix: str) -> str:
        """Every lane, because a repeat with another priority is still a repeat."""
        return f"{prefix}.*.{self.key}.>"


def new_job_id(tenant: str, priority: job_pb2.Priority.ValueType, request_id: str = "") -> str:
    """Returns a fresh id, or with a `request_id` always the same one for this tenant (and priority)."""
    return f"{lane_of(tenant, priority)}-{_derived(tenant, request_id) if request_id else _ascending()}"


def priority_of(asked: job_pb2.Priority.ValueType) -> job_pb2.Priority.ValueType:
    """Returns the effective priority: NORMAL if it is not given, or not known."""
    return asked if asked in PRIORITIES else job_pb2.PRIORITY_NORMAL


def lane_of(tenant: str, priority: job_pb2.Priority.ValueType) -> str:
    """Returns the lane of a tenant's jobs with a priority: a letter, then the tenant's tag."""
    return f"{_LETTERS[priority_of(priority)]}{tenant_tag(tenant)}"


def lanes_of(tenant: str) -> tuple[str, ...]:
    """Returns all of a tenant's lanes, the most urgent first."""
    return tuple(lane_of(tenant, priority) for priority in _LETTERS)


def tag_of(lane: str) -> str:
    """Returns the tag of the tenant whose lane it is."""
    return lane[1:]


def urgency(lane: str) -> int:
    """Returns 0 for lanes of priority HIGH, 1 for NORMAL, 2 for LOW."""
    return "hnl".index(lane[0])


def is_lane(text: str) -> bool:
    return bool(_LANE.fullmatch(text))


def belongs_to(job_id: str, tenant: str) -> bool:
    """Returns whether the id can be this tenant's; False for anything that is not an id.

    The tag has 40 bits: enough to refuse early, not to grant. The envelope's tenant decides.
    """
    parts = JobKey.parse(job_id)
    return parts is not None and parts.lane[1:] == tenant_tag(tenant)


def kind_of(event: event_pb2.JobEvent) -> str:
    return event.WhichOneof("event") or ""


@lru_cache(maxsize=4096)
def tenant_tag(tenant: str) -> str:
    """Returns eight characters that identify a tenant in its lanes' names."""
    return _base32(hashlib.sha256(tenant.encode()).digest()[:5])


def _derived(tenant: str, request_id: str) -> str:
    # The length keeps ("ab", "c") apart from ("a", "bc").
    return _base32(hashlib.sha256(f"{len(tenant)}:{tenant}{request_id}".encode()).digest()[:16])


def _ascending() -> str:
    return _base32((time.time_ns() // 1_000_000).to_bytes(6, "big") + secrets.token_bytes(10))


def _base32(data: bytes) -> str:
    return b32hexencode(data).decode().rstrip("=").lower()
