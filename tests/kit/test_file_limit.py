"""A process of Weft may have as many connections as its user is allowed at most."""

import resource
import subprocess
import sys

PROGRAM = """\
import resource
from weft_kit.rpc.server import run
def assemble():
    print(*resource.getrlimit(resource.RLIMIT_NOFILE))
    raise SystemExit
run("test", assemble)
"""


def test_a_service_that_was_given_few_files_takes_what_it_may() -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 512))

    ran = subprocess.run([sys.executable, "-c", PROGRAM], preexec_fn=few, capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["512", "512"], ran.stderr
