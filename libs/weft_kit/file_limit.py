"""How many files and connections this process may have open."""

import resource
from contextlib import suppress


def raise_file_limit() -> None:
    """Raises the soft limit of open files to the hard one.

    A login session is often given 1,024 for the sake of select(2), which nothing here uses, and each stream of tokens
    is a connection. (Go's runtime does the same since 1.19.)
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # a kernel may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
