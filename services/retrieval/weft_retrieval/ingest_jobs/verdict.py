"""What a failure means: for the document it happened to, or for the whole job."""

from enum import Enum, auto

import grpc

from weft_kit.rpc.errors import WeftError

SUSPECT_READINGS = 2
"""Attempts that were lost with a document in their hands, after which it is tried alone."""
MAX_READINGS = 5
"""The same, after which it is not tried any more."""

_PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
_COMMON = {grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED}


class Verdict(Enum):
    AGAIN = auto()
    """It will pass: the document is tried again, as long as the job may take."""
    REFUSED = auto()
    """This document cannot be stored; the others can."""
    HOPELESS = auto()
    """None of the job's documents can: the collection, or the embedder, is not what the job needs."""


def verdict(error: WeftError) -> Verdict:
    if error.status in _PASSING:
        return Verdict.AGAIN
    return Verdict.HOPELESS if error.status in _COMMON else Verdict.REFUSED
