"""What the kit's readers cost grows with what they read."""

import pytest
from tests.support.cost import assert_linear

from weft.job.v1 import event_pb2
from weft_kit.catalog.variables import interpolated
from weft_kit.joblog.events.ids import JobKey
from weft_kit.joblog.events.projection import project
from weft_kit.toml_lines import line_of

ATOMS = [
    "a",
    "[",
    "[a]\n",
    "a.",
    "'",
    '"',
    "a.b=",
    "x=1\n",
    " ",
    "\t",
    "${",
    "${A",
    "${A:-",
    "${A}",
    "'''\n",
    "h0-",
    "\n",
]


def each(size: int, atom: str) -> str:
    return atom * (size // len(atom))


@pytest.mark.parametrize("atom", ATOMS)
def test_reading_a_catalogs_text_is_linear(atom):
    def read(text: str) -> None:
        line_of("a.b", text)
        interpolated(text, {"A": "x"}, {})
        JobKey.parse(text)

    assert_linear(read, lambda size: each(size, atom), 8_000)


def test_folding_a_log_is_linear():
    def fold(text: str) -> None:
        steps = (event_pb2.Delta(text=letter) for letter in text)
        project("n00000000-" + "0" * 26, (event_pb2.JobEvent(sequence=at, delta=d) for at, d in enumerate(steps, 1)))

    assert_linear(fold, lambda size: "x" * size, 4_000)
