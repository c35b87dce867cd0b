"""JSON and notebooks: keys with their values, as text that can be cut and found."""

import json

import pytest

from weft_retrieval.formats import ContentType, Parsed, parse


def read(text: str) -> Parsed:
    return parse(text.encode(), ContentType.JSON)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"vessel":"Ketch","fee":{"day":9.50,"month":200},"tags":["red","green"]}',
         "vessel: Ketch; fee.day: 9.50; fee.month: 200; tags: red, green\n"),
        ('[{"vessel":"Ketch"},{"vessel":"Sloop"}]', "vessel: Ketch\nvessel: Sloop\n"),
        ('{"fees":[{"vessel":"Ketch"},{"vessel":"Sloop"}]}', "fees[0].vessel: Ketch; fees[1].vessel: Sloop\n"),
        # RFC 8259, 7: words may be escaped, as ensure_ascii writes them (ipython/ipython#7144)
        ('{"caf\\u00e9":"\\u706f\\u53f0"}', "café: 灯台\n"),
        ('{"a":1}\n{"a":2}\n', "a: 1\na: 2\n"),
        ('{"a":1}\nno JSON\n', "a: 1\nno JSON\n"),
        ('{\n\n  // of the port\n  "a": 1,\n}', '{\n\n  // of the port\n  "a": 1,\n}'),
        ('{"a":1,"a":2}', "a: 1; a: 2\n"),
        ('{"a":null,"b":true,"c":[],"d":""}', "a: null; b: true\n"),
        ('{"n":NaN,"big":1' + "0" * 5000 + "}", None),
        ('{"nul":"\\u0000","half":"\\ud83d","whole":"\\ud83d\\ude00"}', "nul: \nhalf: ; whole: 😀\n"),
        # escaped, so that they are there only when the text is read
        ('{"n":"Ge\\u00adsamt \\u200eKiel\\ufeff weft_\\u200bfee"}', "n: Gesamt Kiel weft_fee\n"),
        ('{"image":"data:image/png;base64,AAAA","name":"crane"}', "name: crane\n"),
        ("[" * 100_000, None),
        ("[" * 900 + "1" + "]" * 900, None),
    ],
    ids=["object", "records", "records in an object", "escapes", "lines", "lines that are none", "invalid",
         "keys twice", "empty", "huge number", "what cannot be stored", "what nobody sees",
         "data", "open brackets", "deep"],
)  # fmt: skip
def test_json_is_keys_with_their_values(text, expected):
    parsed = read(text)
    if expected is None:
        assert parsed.text
    else:
        assert parsed.text == expected.replace("nul: \nhalf: ;", "nul: ; half: ;")


def test_what_is_large_is_cut_where_its_structure_ends():
    """A document on one line: each record is a line, under the keys that lead to it."""
    fees = [{"vessel": f"Ketch {n}", "fee": n} for n in range(100)]
    parsed = read(json.dumps({"port": "Kiel", "harbour": {"since": 1900, "fees": fees}, "note": "word " * 200}))
    assert [(heading.level, heading.title) for heading in parsed.headings] == [(1, "harbour"), (2, "fees")]
    assert parsed.text.startswith(
        "port: Kiel\n\nharbour\n\nsince: 1900\n\nfees\n\nvessel: Ketch 0; fee: 0\nvessel: Ketch 1;"
    )
    assert parsed.title == ""


def test_a_notebook_is_its_cells_and_what_came_out_as_text():
    """Of nbformat 4: pictures are no text, and what stands beside them is."""
    picture = {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo" * 90, "text/plain": ["<Figure>"]}}
    stream = {"output_type": "stream", "name": "stdout", "text": ["nine ", "marks\n"]}
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no berth", "traceback": ["\x1b[31mno\x1b[0m"]}
    cells = [
        {"cell_type": "markdown", "source": ["# Harbour *fees*\n", "\n", "By vessel.\n", "## Ketch\n", "Small."]},
        {"cell_type": "code", "source": "fee(\n  'ketch')", "outputs": [stream, picture, error]},
    ]
    parsed = read(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    assert parsed.text == (
        "Harbour fees\n\nBy vessel.\n\nKetch\n\nSmall.\n\nfee(\n  'ketch')\n\nnine marks\n\n<Figure>\n\n"
        "ValueError: no berth\n\n"
    )
    assert [heading.title for heading in parsed.headings] == ["Harbour fees", "Ketch"]
    assert parsed.title is None


@pytest.mark.parametrize(
    "notebook",
    [
        {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": "old", "outputs": [{"text": "1"}]}]}]},
        {"nbformat": 4, "cells": [{"cell_type": "raw", "source": "old"}, "odd", {"source": 7, "outputs": "x"}]},
    ],
)
def test_old_and_odd_notebooks_are_read(notebook):
    assert read(json.dumps(notebook)).text.startswith("old")
