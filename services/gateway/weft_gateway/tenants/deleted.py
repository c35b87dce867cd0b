"""The result of one call that deletes a tenant."""

from dataclasses import dataclass
from typing import Final

CANCEL_MESSAGE: Final = "all of the tenant is being deleted"
"""The message in the records of jobs that are cancelled by it."""


@dataclass(slots=True)
class Deleted:
    """Counts, filled in during the call; completed work counts even if the time ran out."""

    is_complete: bool = False
    """Whether nothing of the tenant is left."""
    keys: int = 0
    cancelled_jobs: int = 0
    """Jobs of both kinds."""
    jobs: int = 0
    collections: int = 0
    answers: int = 0
