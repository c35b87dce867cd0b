"""Whatever a request holds, the error that answers it is short enough for every client's trailers."""

import base64
import itertools

import grpc
import pytest

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import (
    Exhausted,
    Invalid,
    InvalidFields,
    WeftError,
)
from weft_kit.rpc.status import PeerError, to_trailers
from weft_kit.shortening import bytes_on_wire

LONG = "x" * 100_000
WIDE = "\N{SNOWMAN}%\n" * 30_000


def wire_bytes(error: WeftError) -> int:
    """Returns what an error's trailers take, without HPACK, whose tables no limit counts on."""
    details = {key: base64.b64encode(value) if isinstance(value, bytes) else value for key, value in to_trailers(error)}
    pairs = {"grpc-status": "16", "grpc-message": "x" * bytes_on_wire(error.message), **details}
    return sum(len(key) + len(value) for key, value in pairs.items())


@pytest.mark.parametrize(
    "error",
    [
        Invalid(error_pb2.ERROR_REASON_UNKNOWN_MODEL, LONG, known=LONG, other=LONG),
        Invalid(error_pb2.ERROR_REASON_UNKNOWN_MODEL, WIDE, known=WIDE),
        Exhausted(error_pb2.ERROR_REASON_RATE_LIMITED, LONG, 1.5, **{f"key{i}": LONG for i in range(100)}),
        InvalidFields({LONG: LONG}),
        InvalidFields({f"{i}{WIDE}": WIDE for i in range(30)}),
        InvalidFields({f"request.tools[{i}].name": "must be 1-64 of [a-zA-Z0-9_-]" for i in range(128)}),
        PeerError(grpc.StatusCode.INVALID_ARGUMENT, error_pb2.ERROR_REASON_INVALID_FIELD, LONG,
                  metadata={"known": LONG}, violations={f"{i}{LONG}": LONG for i in range(100)}),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_the_trailers_of_an_error_stay_below_4_kib(error: WeftError) -> None:
    assert wire_bytes(error) < 4096
    assert bytes_on_wire(error.message) <= 1024
    assert len(str(error)) <= 1024


def test_twenty_violations_are_kept_and_the_others_counted() -> None:
    error = InvalidFields({f"request.tools[{i}].name": "must be 1-64 of [a-zA-Z0-9_-]" for i in range(128)})
    assert list(error.violations) == [f"request.tools[{i}].name" for i in range(20)]
    assert error.metadata == {"more": "108"}
    assert error.message.startswith("request.tools[0].name: must be 1-64 of [a-zA-Z0-9_-]; request.tools[1].name")
    named = error.message.count("must be")
    assert error.message.endswith(f"; and {128 - named} more")


def test_a_few_violations_are_all_there() -> None:
    error = InvalidFields((f"f{i}", "is wrong") for i in range(3))
    assert error.violations == {"f0": "is wrong", "f1": "is wrong", "f2": "is wrong"}
    assert (error.message, error.metadata) == ("f0: is wrong; f1: is wrong; f2: is wrong", {})


def test_faults_without_end_are_not_all_looked_for() -> None:
    error = InvalidFields((f"f{i}", "is wrong") for i in itertools.count())
    assert error.metadata == {"more": "1000"}
    assert "over 1000 more" in error.message


def test_a_cut_text_says_how_long_it_was() -> None:
    error = Invalid(error_pb2.ERROR_REASON_INVALID_FILTER, LONG)
    assert error.message.endswith("... (100000 characters)")
    assert InvalidFields({"id": LONG}).violations["id"].endswith("... (100000 characters)")


def test_a_text_that_utf8_cannot_carry_still_leaves() -> None:
    error = InvalidFields({"a\ud800": "b\udfff"})
    assert (error.message, error.violations) == ("a?: b?", {"a?": "b?"})
    assert wire_bytes(error) < 4096
