"""Homonyms are refused, shown on small trees that have some."""

from docs.generate.source import product_modules
from tests.tree.files import write
from tests.tree.homonyms import homonyms, problems


def test_a_class_name_of_two_modules_is_refused_unless_it_is_argued(tmp_path):
    write(tmp_path, "libs/weft_kit/a.py", "class Lease: ...\nclass Config: ...\nclass Lease: ...\nclass Alone: ...\n")
    write(tmp_path, "services/router/weft_router/b.py", "def f():\n    class Lease: ...\nclass Config: ...\n")
    write(tmp_path, "libs/weft_protos/weft/c.py", "class Alone: ...\n")
    found = homonyms(product_modules(tmp_path))
    places = "libs/weft_kit/a.py:1, services/router/weft_router/b.py:2"
    assert list(problems(found, argued={"Config"})) == [
        f"class Lease is defined more than once: {places}; name each for what it is"
    ]
    assert list(problems(found, argued={"Config", "Lease"})) == []


def test_a_name_that_has_one_meaning_by_now_leaves_the_list():
    found = {"Config": ["a.py:1", "b.py:1"]}
    (line,) = problems(found, argued={"Config", "Gone"})
    assert "take it out of ARGUED" in line
