"""The client needs no extra; each service needs its own alone, and names it where it is missing."""

import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.packaging.checkout import ROOT

from weft_kit.extras import how_to_install

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SERVICES = ("gateway", "router", "retrieval", "cache", "inference")

# Runs the rest of its arguments as `python -m` would, where the packages named first are not installed.
_WITHOUT = """
import runpy, sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    packages = frozenset(sys.argv[1].split(","))

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
del sys.argv[:2]
"""
_AS_A_PROGRAM = _WITHOUT + "runpy.run_module(sys.argv[0], run_name='__main__')"
_COMMAND_LINE = _WITHOUT + "from weft_cli.app import app; app()"
_ITS_MODULES = """
import importlib, pkgutil
package = importlib.import_module(sys.argv[0])
for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
    if not module.name.endswith(".__main__"):
        importlib.import_module(module.name)
"""


def test_the_client_and_the_command_line_need_no_extra():
    left_out = not_brought_by()
    assert {"onnxruntime", "psycopg", "nats", "redis", "numpy", "tokenizers", "grpc_health"} <= left_out
    for package in ("weft_client", "weft_cli"):
        done = without(left_out, _WITHOUT + _ITS_MODULES, package)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_needs_its_own_extra_alone(service: str):
    done = without(not_brought_by(service), _WITHOUT + _ITS_MODULES, f"weft_{service}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_without_its_extra_ends_with_the_line_that_installs_it(service: str):
    done = without(not_brought_by(), _AS_A_PROGRAM, f"weft_{service}")
    assert done.returncode == 1
    line = rf"{service}: \w+ is not installed: `pip install 'weft\[{service}\]'` adds it\n"
    assert re.fullmatch(line, done.stderr)


def test_an_engine_that_is_missing_is_named_by_its_extra():
    done = without({"xllamacpp"}, _AS_A_PROGRAM, "weft_inference", WEFT_INFERENCE_LISTEN="127.0.0.1:0")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "inference: xllamacpp is not installed: `pip install 'weft[llamacpp]'` adds it"
    )


def test_a_catalog_is_checked_without_any_extra():
    done = without(not_brought_by(), _COMMAND_LINE, "weft", "catalog", "check", "compose/weft.toml")
    assert (done.returncode, done.stdout) == (0, "compose/weft.toml is good\n")


@pytest.mark.parametrize("command", ["up", "demo", "status"])
def test_a_command_for_a_mesh_of_this_machine_names_the_extra_that_runs_one(command: str):
    done = without(not_brought_by(), _COMMAND_LINE, "weft", command)
    assert done.returncode == 1
    assert re.fullmatch(r"✗ \w+ is not installed: `pip install 'weft\[embedded\]'` adds it\n", done.stderr)


def test_a_module_of_our_own_that_is_missing_is_no_matter_of_extras():
    with pytest.raises(ModuleNotFoundError, match="gone"):
        how_to_install(ModuleNotFoundError("No module named 'weft_cache.gone'", name="weft_cache.gone"), "cache")


def without(packages: set[str], program: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a program where the packages are missing."""
    argv = [sys.executable, "-c", program, ",".join(packages), *arguments]
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def not_brought_by(*extras: str) -> set[str]:
    """Returns the packages here, by their names in Python, that `pip install 'weft[…]'` does not bring."""
    asked = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    brought = set().union(*map(closure, asked))
    return {
        package
        for package, distributions in packages_distributions().items()
        if not brought & {canonicalize_name(name) for name in distributions}
        and not package.startswith(("weft", "_"))
        and package not in sys.stdlib_module_names
    }


@cache
def closure(line: str) -> frozenset[str]:
    """Returns the distributions that a requirement brings, with those that they bring."""
    asked = Requirement(line)
    name = canonicalize_name(asked.name)
    if name == "weft":
        needs = [one for extra in asked.extras for one in PROJECT["optional-dependencies"][extra]]
        return frozenset().union(*map(closure, needs))
    try:
        needs = requires(asked.name) or []
    except PackageNotFoundError:
        return frozenset()  # not for this machine
    held = [one for one in needs if _holds(Requirement(one), asked.extras)]
    return frozenset({name}).union(*(closure(one) for one in held))


def _holds(asked: Requirement, extras: set[str]) -> bool:
    marker = asked.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras})
