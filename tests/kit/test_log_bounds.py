"""A log line stays short, whatever a request or an exception brings into it."""

import io
import json
import logging

import pytest
import structlog

from weft_kit.logging import bounded, configure

LONG = "x" * 1_000_000


def line(**fields: object) -> str:
    """Returns the line that these fields make, as JSON."""
    log = structlog.wrap_logger(
        structlog.ReturnLogger(),
        processors=[structlog.processors.format_exc_info, bounded, structlog.processors.JSONRenderer()],
    )
    return log.msg("call", **fields)


def test_a_long_field_is_cut_and_says_how_long_it_was() -> None:
    fields = json.loads(line(error=LONG, tenant="acme", ms=1.5, tries=3))
    assert fields["error"].endswith("... (1000000 characters)")
    assert (fields["tenant"], fields["ms"], fields["tries"]) == ("acme", 1.5, 3)
    assert len(fields["error"]) <= 1024


def test_short_fields_of_any_kind_stay_as_they_are() -> None:
    assert json.loads(line(names=["a", "b"], found={"a": 1}, nothing=None)) == {
        "event": "call", "names": ["a", "b"], "found": {"a": 1}, "nothing": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "value", [[LONG], {"a": LONG}, LONG.encode(), ValueError(LONG)], ids=lambda v: type(v).__name__
)
def test_what_is_no_text_is_cut_too(value: object) -> None:
    assert len(line(value=value)) < 1200


def test_a_line_of_many_long_fields_stays_within_some_kib() -> None:
    assert len(line(**{f"field{i}": LONG for i in range(30)})) < 8192


def test_an_exception_keeps_its_beginning_and_its_end() -> None:
    text = json.loads(line(exc_info=ValueError(LONG + "last")))["exception"]
    assert len(text) <= 4096
    assert text.startswith("ValueError: xxx")
    assert text.endswith("last")


@pytest.fixture
def standard_log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a service's process writes to stderr of what libraries log."""
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers[:] = []
    configure("test")
    yield written
    root.handlers[:] = before
    structlog.reset_defaults()


def test_lines_of_libraries_are_cut_too(standard_log: io.StringIO) -> None:
    logging.getLogger("somebody").warning("%s", LONG)
    assert len(standard_log.getvalue()) < 8200


def test_grpc_writes_no_traceback_over_what_a_caller_sent(standard_log: io.StringIO) -> None:
    try:
        b"\xff".decode()
    except UnicodeDecodeError:
        logging.getLogger("grpc._cython.cygrpc").exception("Unexpected thing raised by servicer method")
    assert "Unexpected thing" in standard_log.getvalue()
    assert "Traceback" not in standard_log.getvalue()
