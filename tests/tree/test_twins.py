"""Twins are refused, shown on small trees that have some."""

from tests.tree.files import write
from tests.tree.twins import LEAST_LINES, twins


def body(lines: int) -> list[str]:
    return [f"value_{number} = compute({number})" for number in range(lines)]


def test_a_run_of_lines_that_stands_twice_is_named_at_both_places(tmp_path):
    one = write(tmp_path, "one.py", "\n".join(["import os", "first = 1", *body(LEAST_LINES + 3)]))
    other = write(tmp_path, "two.py", "\n".join(["def f():", *(f"    {line}" for line in body(LEAST_LINES + 3))]))
    assert list(twins(tmp_path, [one, other])) == [
        f"two.py:2 has {LEAST_LINES} lines or more of one.py:3: keep one of them"
    ]


def test_comments_imports_and_empty_lines_neither_make_nor_hide_a_twin(tmp_path):
    lines = body(LEAST_LINES)
    apart = [f"{line}  # as measured\n\nimport os\n# why" for line in lines]
    paths = [write(tmp_path, "one.py", "\n".join(lines)), write(tmp_path, "two.py", "\n".join(apart))]
    assert len(list(twins(tmp_path, paths))) == 1
    imports = "\n".join(f"import module_{number}" for number in range(LEAST_LINES))
    paths = [write(tmp_path, "one.py", imports), write(tmp_path, "two.py", imports)]
    assert list(twins(tmp_path, paths)) == []


def test_fewer_lines_are_no_twin_and_a_repetition_within_a_run_is_none(tmp_path):
    short = "\n".join(body(LEAST_LINES - 1))
    paths = [write(tmp_path, "one.py", short), write(tmp_path, "two.py", short)]
    assert list(twins(tmp_path, paths)) == []
    table = write(tmp_path, "table.py", "rows = [\n" + "    0,\n" * (LEAST_LINES + 5) + "]\n")
    assert list(twins(tmp_path, [table])) == []
