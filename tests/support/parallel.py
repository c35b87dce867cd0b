"""How processes that test side by side share the work: what takes longest first, what shares a mesh in one of them."""

import re
from typing import Any

import pytest

FIRST = ("durability", "compose", "mesh", "inference", "packaging", "fuzz", "gateway", "retrieval", "cli", "client")
"""Folders that wait for processes to start and to be lost: begun last, they would be waited for alone."""

SHARED_MESHES = (
    r"tests/mesh/",
    r"tests/durability/test_(1|2|3|5)_",
    r"tests/durability/test_(6|7|8|9|10|flights|patience)_?",
    r"tests/durability/test_4_",
)
"""Modules that share a mesh for as long as the run lasts."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Has modules stay whole, and those that share a mesh together."""
    from xdist.scheduler import LoadScopeScheduling

    class ByMesh(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid)

    config.option.loadscopereorder = False
    return ByMesh(config, log)


def scope(nodeid: str) -> str:
    """Returns the name of what runs in one process, one test after the other."""
    module = nodeid.split("::", 1)[0]
    return next((mesh for mesh in SHARED_MESHES if re.match(mesh, module)), module)


def _place(nodeid: str) -> int:
    folder = nodeid.split("/")[1]
    return FIRST.index(folder) if folder in FIRST else len(FIRST)
