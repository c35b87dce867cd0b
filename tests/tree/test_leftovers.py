"""Leftovers are refused, shown on small repositories that have some."""

import subprocess

import pytest
from tests.tree.files import write
from tests.tree.leftovers import Exemption, leftovers

HOME = "/" + "home/ann"
PLACEHOLDER = "@@" + "SPEED" + "@@"


@pytest.fixture
def tree(tmp_path):
    """An empty repository."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<" * 7 + " HEAD", "mark of a merge"),
        (">" * 7 + " main", "mark of a merge"),
        (f"It takes {PLACEHOLDER} ms.", "placeholder"),
        ('"""TO' + 'DO: the sign on the door"""', "note to oneself"),
        ("# FIX" + "ME later", "note to oneself"),
        ("x = 1  # X" + "XX", "note to oneself"),
        (f"python {HOME}/weft/run.py", "path of a developer's machine"),
        ("cd /" + "work/main", "path of a developer's machine"),
        ("(/" + "root/.cache)", "path of a developer's machine"),
    ],
)
def test_a_leftover_is_named_with_its_place(tree, text, kind):
    write(tree, "docs/page.md", f"Fine.\n{text}\n")
    (line,) = leftovers(tree, exemptions=())
    assert line.startswith(f"docs/page.md:2: {kind}: ")


@pytest.mark.parametrize(
    "text",
    [
        "Title\n=======\n",
        "<<EOF\n",
        "# @@protoc_insertion_point(imports)\n",
        "https://example.org/home/page\n",
        "src/work/run.py\n",
        "XXXL\n",
        "a mastodon\n",
    ],
)
def test_what_only_looks_like_a_leftover_is_left_alone(tree, text):
    write(tree, "docs/page.md", text)
    assert list(leftovers(tree, exemptions=())) == []


def test_what_git_ignores_and_what_is_no_text_is_not_read(tree):
    write(tree, ".gitignore", "built/\n")
    write(tree, "built/page.md", PLACEHOLDER)
    (tree / "model.bin").write_bytes(b"\0" + PLACEHOLDER.encode())
    assert list(leftovers(tree, exemptions=())) == []


def test_an_exemption_holds_for_its_file_and_text_and_must_be_used(tree):
    write(tree, "a.txt", f"{HOME}\n{PLACEHOLDER}\n")
    write(tree, "b.txt", f"{HOME}\n")
    exemptions = (Exemption("a.txt", HOME, "shown"), Exemption("c.txt", HOME, "gone"))
    assert list(leftovers(tree, exemptions)) == [
        f"a.txt:2: placeholder: {PLACEHOLDER}",
        f"b.txt:1: path of a developer's machine: {HOME}",
        f"c.txt: {HOME} is not there any more; take it out of EXEMPTIONS",
    ]
