"""A file that is replaced is the old one or the new one, at any moment."""

import stat
from pathlib import Path

import pytest

from weft_kit.atomic_file import replace_text


def test_the_new_text_takes_the_place_of_the_old_with_the_mode_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    replace_text(file, "old", mode=0o600)
    replace_text(file, "new")
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_what_cannot_be_written_leaves_the_old_text_and_no_draft(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    replace_text(file, "old")
    with pytest.raises(UnicodeEncodeError):
        replace_text(file, "x" * 100_000 + "\udcff")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_is_not_there_is_the_callers_to_make(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replace_text(tmp_path / "nowhere" / "kept", "new")
