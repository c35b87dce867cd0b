"""`make setup` on machines whose Python is wrong, changes, or goes away. Pythons and uv are played by scripts."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.packaging.checkout import ROOT

# Says of itself which version it is and what it lacks. Its environments hold a copy of it and, once pip ran, a uv that
# writes down what it is told.
_PYTHON = """#!/bin/sh
case "$1 $2" in
"-c "*) exec {python} -c "import sys; sys.version_info = {version}; {lacking}exec(sys.argv.pop(1))" "$2" ;;
"-m venv") mkdir -p "$3/bin" && ln -s "$0" "$3/bin/python" ;;
"-m pip") ln -s {uv} "$(dirname "$0")/uv" ;;
*) exit 1 ;;
esac
"""
_UV = """#!/bin/sh
[ "$1" = --version ] && exit
echo "$*" >> {told}
[ ! -e {broken} ]
"""


class Harness:
    """A checkout with only what `make setup` reads, and a PATH with only the Pythons of the test."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "weft"
        self.programs = folder / "programs"
        self._uv = folder / "uv"
        self._told = folder / "told"
        self._broken = folder / "broken"
        (self.root / "compose").mkdir(parents=True)
        self.programs.mkdir()
        for name in ("Makefile", "pyproject.toml", "compose/venv.sh"):
            shutil.copy(ROOT / name, self.root / name)
        shutil.copytree(ROOT / "compose" / "requirements", self.root / "compose" / "requirements")
        (self.root / "protos").mkdir()
        for tool in ("sh", "make", "mkdir", "ln", "dirname", "rm", "touch", "find", "sort", "grep"):
            (self.programs / tool).symlink_to(shutil.which(tool))
        _script(self._uv, _UV.format(told=_quoted(self._told), broken=_quoted(self._broken)))

    def python(self, place: str, version: tuple[int, int], *, lacking: str = "") -> Path:
        """Puts a Python somewhere below the checkout's neighbours; "programs/…" is on the PATH."""
        path = self.root.parent / place
        path.parent.mkdir(exist_ok=True)
        lacks = f"sys.modules['{lacking}'] = None; " if lacking else ""
        text = _PYTHON.format(
            python=_quoted(sys.executable), version=(*version, 1), lacking=lacks, uv=_quoted(self._uv)
        )
        return _script(path, text)

    def setup(self, *settings: str) -> subprocess.CompletedProcess[str]:
        argv = ["make", "setup", *settings]
        environment = {"PATH": str(self.programs)}
        return subprocess.run(argv, cwd=self.root, env=environment, capture_output=True, text=True, check=False)

    def installs(self) -> int:
        """How often uv was asked to install the requirements of the mesh."""
        told = self._told.read_text().splitlines() if self._told.exists() else []
        return sum("requirements/mesh.txt" in line for line in told)

    def break_off_installs(self) -> None:
        self._broken.touch()

    def let_installs_pass(self) -> None:
        self._broken.unlink()

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def version(self) -> str:
        """The Python of the environment."""
        asked = "import sys; print('%d.%d' % sys.version_info[:2])"
        return subprocess.check_output([self.venv / "bin" / "python", "-c", asked], text=True).strip()


def _quoted(path: Path | str) -> str:
    return shlex.quote(str(path))


def _script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def test_without_any_python_it_says_what_to_install(harness: Harness):
    done = harness.setup()
    assert done.returncode != 0
    assert "Weft needs Python 3.11 or newer, and no python3 is on the PATH." in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr
    assert not harness.venv.exists()


def test_a_python_that_is_too_old_is_named_and_makes_nothing(harness: Harness):
    harness.python("programs/python3", (3, 9))
    done = harness.setup()
    assert done.returncode != 0
    assert "Weft needs Python 3.11 or newer; python3 is Python 3.9." in done.stderr
    assert "make setup PYTHON=/path/to/python3.11" in done.stderr
    assert not harness.venv.exists()


def test_a_newer_python_is_found_beside_an_old_one(harness: Harness):
    harness.python("programs/python3", (3, 9))
    harness.python("programs/python3.12", (3, 12))
    assert harness.setup().returncode == 0
    assert harness.version == "3.12"


def test_a_python_without_venv_is_told_the_package_that_brings_it(harness: Harness):
    harness.python("programs/python3", (3, 11), lacking="ensurepip")
    done = harness.setup()
    assert done.returncode != 0
    assert "its package python3.11-venv is missing" in done.stderr
    assert not harness.venv.exists()


def test_a_python_given_by_path_is_used_whatever_its_name_and_version(harness: Harness):
    harness.python("programs/python3.11", (3, 11))
    mine = harness.python("my own/python", (3, 13))
    assert harness.setup(f"PYTHON={mine}").returncode == 0
    assert harness.version == "3.13"


def test_a_python_given_by_path_takes_over_from_another(harness: Harness):
    harness.python("programs/python3", (3, 11))
    assert harness.setup().returncode == 0
    newer = harness.python("newer/python3.12", (3, 12))
    assert harness.setup(f"PYTHON={newer}").returncode == 0
    assert (harness.version, harness.installs()) == ("3.12", 2)


def test_a_wrong_python_given_by_path_leaves_what_is_there(harness: Harness):
    harness.python("programs/python3", (3, 11))
    assert harness.setup().returncode == 0
    old = harness.python("old/python3", (3, 9))
    assert f"{old} is Python 3.9" in harness.setup(f"PYTHON={old}").stderr
    for other in ("/nowhere/python3", _script(harness.root.parent / "true", "#!/bin/sh\n")):
        assert f"{other} is no Python that runs" in harness.setup(f"PYTHON={other}").stderr
    assert harness.version == "3.11"


def test_an_environment_of_an_old_python_is_made_anew(harness: Harness):
    old = harness.python("old/python3", (3, 9))
    subprocess.run([old, "-m", "venv", harness.venv], check=True)
    subprocess.run([harness.venv / "bin" / "python", "-m", "pip", "install", "uv"], check=True)
    harness.python("programs/python3", (3, 11))
    assert harness.setup().returncode == 0
    assert (harness.version, harness.installs()) == ("3.11", 1)


def test_a_half_made_environment_is_made_anew(harness: Harness):
    python = harness.python("programs/python3", (3, 11))
    subprocess.run([python, "-m", "venv", harness.venv], check=True)
    (harness.venv / "left").touch()
    assert harness.setup().returncode == 0
    assert not (harness.venv / "left").exists()


def test_an_environment_whose_python_is_gone_is_made_anew_with_all_that_was_in_it(harness: Harness):
    gone = harness.python("programs/python3.12", (3, 12))
    assert harness.setup().returncode == 0
    gone.unlink()
    harness.python("programs/python3", (3, 11))
    assert harness.setup().returncode == 0
    assert (harness.version, harness.installs()) == ("3.11", 2)


def test_a_setup_that_was_broken_off_goes_on(harness: Harness):
    harness.python("programs/python3", (3, 11))
    harness.break_off_installs()
    assert harness.setup().returncode != 0
    harness.let_installs_pass()
    assert harness.setup().returncode == 0
    assert (harness.venv / "mesh.stamp").exists()


def test_a_second_setup_does_nothing(harness: Harness):
    harness.python("programs/python3", (3, 11))
    assert harness.setup().returncode == 0
    done = harness.setup()
    assert (done.returncode, done.stderr, harness.installs()) == (0, "", 1)
