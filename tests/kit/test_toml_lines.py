"""A place of a TOML file is found on its line, as far as that can be told without a parser that keeps lines."""

import pytest

from weft_kit.toml_lines import line_of

TEXT = '''# a comment
[providers.local]
kind = "inference"
target = "127.0.0.1:7604"   # of = everybody

[ models . "gpt-4.1" ]
routes = [
    { provider = "local" },
]
hedge.after_s = 0
context = { source = """
target = "not a key"
[models.fake]
""" }
max_output_tokens = 5

[models.gpt-4]
routes = []

[prices.per_million.local]
"*" = { input = 1, output = -2 }
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("providers.local", 2),
        ("providers.local.target", 4),
        ("providers.local.unknown", 2),
        ("models.gpt-4.1", 6),
        ("models.gpt-4.1.routes[0].provider", 7),
        ("models.gpt-4.1.hedge.after_s", 10),
        ("models.gpt-4.1.max_output_tokens", 15),
        ("models.gpt-4.routes", 18),
        ("prices.per_million.local.*.output", 21),
        ("budgets.acme", 0),
        ("models.fake", 0),
    ],
)
def test_a_place_is_found_on_its_line_or_on_that_of_what_is_around_it(place: str, line: int) -> None:
    assert line_of(place, TEXT) == line


@pytest.mark.parametrize("text", ["", "[", '[a."b', "= 5", "\x00"])
def test_what_is_no_catalog_has_no_lines(text: str) -> None:
    assert line_of("providers.local", text) == 0
