"""Homonyms are refused, shown on small trees that have some."""

from docs.generate.source import product_modules
from tests.tree.files import write
from tests.tree.homonyms import ARGUED, TO_BE_RENAMED, homonyms, problems, renamed


def test_a_class_name_of_two_modules_is_refused_unless_it_is_argued(tmp_path):
    write(tmp_path, "libs/weft_kit/a.py", "class Lease: ...\nclass Config: ...\nclass Lease: ...\nclass Alone: ...\n")
    write(tmp_path, "services/router/weft_router/b.py", "def f():\n    class Lease: ...\nclass Config: ...\n")
    write(tmp_path, "libs/weft_protos/weft/c.py", "class Alone: ...\n")
    found = homonyms(product_modules(tmp_path))
    places = "libs/weft_kit/a.py:1, services/router/weft_router/b.py:2"
    assert list(problems(found, argued={"Config"}, to_be_renamed=())) == [
        f"class Lease is defined more than once: {places}; name each for what it is"
    ]
    assert list(problems(found, argued={"Config"}, to_be_renamed={"Lease"})) == []


def test_a_name_that_has_one_meaning_by_now_leaves_the_lists():
    found = {"Config": ["a.py:1", "b.py:1"]}
    (line,) = problems(found, argued={"Config", "Gone"}, to_be_renamed=())
    assert "take it out of ARGUED" in line
    assert renamed(found, to_be_renamed={"Gone", "Config"}) == ["Gone"]


def test_no_name_is_both_argued_and_to_be_renamed():
    assert ARGUED.keys() & TO_BE_RENAMED == set()
