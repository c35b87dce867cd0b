"""Parts of a mesh, one by one."""

import subprocess
import sys
from types import SimpleNamespace

from weft_compose.parts import ServicePart
from weft_compose.plan import ServicePlan


def test_a_part_that_is_killed_at_this_moment_does_not_run(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    plan = ServicePlan("cache", needs=(), settings={}, ports=(7605, 7625))
    part = ServicePart(plan, tmp_path / "cache.log", tmp_path)
    # As another thread leaves it that has killed the process and not noted its exit code yet.
    part._child = SimpleNamespace(pid=gone.pid, exit_code=None)
    assert part.running() is None
