"""How many files and connections this process may have open."""

import resource
from contextlib import suppress


def raise_file_limit() -> None:
    """Raises the soft limit of open files to the hard one.

    Login sessions are often limited to 1,024 for the sake of select(2), which is not used here, and each token stream
    needs a connection. (Go's runtime has done the same since 1.19.)
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # a kernel may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
