"""What Weft is shipped as, built from this checkout as a packager would."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.packaging.checkout import ROOT


class Builder:
    """Builds what is shipped, each into a folder of its own."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory

    def build(self, kind: str, source: Path = ROOT) -> Path:
        """Builds the "wheel" or "sdist" of a source tree; returns the file."""
        folder = self._factory.mktemp(kind)
        argv = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(folder)]
        done = subprocess.run(argv, cwd=source, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        (file,) = folder.iterdir()
        return file


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    return Builder(tmp_path_factory)


@pytest.fixture(scope="session")
def wheel(builder: Builder) -> Path:
    return builder.build("wheel")


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel brings, as site-packages would have it."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder
