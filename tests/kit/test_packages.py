"""What packages carry is found by their names, and nothing of them is run."""

import sys
from pathlib import Path

import pytest

from weft_kit.packages import package_files


@pytest.fixture
def carrier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "carrier_of_models"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise AssertionError('it was imported')")
    for name in ("b.gguf", "a.gguf", "notes.txt"):
        (folder / name).touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_files_come_by_name_and_the_package_is_not_imported(carrier: Path) -> None:
    assert package_files("carrier_of_models", "*.gguf") == [carrier / "a.gguf", carrier / "b.gguf"]
    assert "carrier_of_models" not in sys.modules


def test_what_is_not_there_is_no_file(carrier: Path) -> None:
    assert package_files("carrier_of_models", "*.bin") == []
    assert package_files("no_such_package_here", "*") == []


def test_a_module_that_is_no_package_carries_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "only_a_module.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert package_files("only_a_module", "*") == []
