"""What one call that deletes a tenant did."""

from dataclasses import dataclass
from typing import Final

CANCEL_MESSAGE: Final = "all of the tenant is being deleted"
"""Stands in the records of the jobs that are cancelled for it."""


@dataclass(slots=True)
class Deleted:
    """Counts, filled in while the call lasts: what was done counts also where its time ran out."""

    is_complete: bool = False
    """Nothing of the tenant is left."""
    keys: int = 0
    cancelled_jobs: int = 0
    """Of both kinds."""
    jobs: int = 0
    collections: int = 0
    answers: int = 0
