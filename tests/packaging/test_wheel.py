"""What is shipped holds what the checkout has, under the names it is imported by, and nothing else."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

from tests.packaging.checkout import ROOT, packages, shipped_files
from tests.packaging.conftest import Builder

# Imports everything that a folder holds, and tells from which file each came.
_IMPORTING = """
import importlib, json, pathlib, sys
root = pathlib.Path(sys.argv[1])
names = [".".join(path.relative_to(root).with_suffix("").parts) for path in sorted(root.rglob("*.py"))]
modules = [importlib.import_module(name.removesuffix(".__init__")) for name in names if not name.endswith(".__main__")]
json.dump({module.__name__: module.__file__ for module in modules}, sys.stdout)
"""

_LOOKING = """
import json, sys
from weft_compose.launcher import DEFAULT_CATALOG, DEMO_DOCUMENTS
json.dump([str(DEFAULT_CATALOG), str(DEMO_DOCUMENTS)], sys.stdout)
"""


def test_the_wheel_holds_every_file_of_every_package_and_nothing_else(wheel: Path):
    assert _contents(wheel) == shipped_files()


def test_a_wheel_built_from_the_sdist_is_the_same(builder: Builder, wheel: Path, tmp_path: Path):
    shutil.unpack_archive(builder.build("sdist"), tmp_path)
    (source,) = tmp_path.iterdir()
    assert _contents(builder.build("wheel", source)) == _contents(wheel)


def test_every_module_of_the_wheel_can_be_imported_without_the_checkout(installed: Path, tmp_path: Path):
    imported = json.loads(_run(_IMPORTING, installed, tmp_path))
    assert {name.partition(".")[0] for name in imported} == {package.name for package in packages()}
    assert [name for name, file in imported.items() if not Path(file).is_relative_to(installed)] == []


def test_the_launcher_finds_the_catalog_and_the_documents_in_the_wheel(installed: Path, tmp_path: Path):
    catalog, documents = map(Path, json.loads(_run(_LOOKING, installed, tmp_path)))
    assert catalog.is_relative_to(installed)
    assert catalog.read_bytes() == (ROOT / "compose" / "weft.toml").read_bytes()
    assert documents.is_relative_to(installed)
    assert {file.name for file in documents.iterdir()} == {file.name for file in (ROOT / "compose" / "demo").iterdir()}


def test_every_package_tells_type_checkers_that_it_is_typed(installed: Path):
    assert [package.name for package in packages() if not (installed / package.name / "py.typed").is_file()] == []


def _run(program: str, installed: Path, folder: Path) -> str:
    """Runs a program with the wheel and what it depends on, but not the checkout, on the path."""
    path = os.pathsep.join([str(installed), sysconfig.get_path("platlib")])
    # -S leaves out the .pth files of site-packages, which name the checkout.
    argv = [sys.executable, "-S", "-c", program, str(installed)]
    done = subprocess.run(argv, cwd=folder, env={"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _contents(wheel: Path) -> dict[str, bytes]:
    """Every file that an installed wheel brings, without the wheel's own metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
