"""The messages between the service and its fork server."""

from struct import Struct
from typing import Final

COMMAND: Final = Struct("!cQQ")
"""FORK or KILL, the number of the process, and its bytes of memory; a socket comes with FORK."""
FORK: Final = b"f"
KILL: Final = b"k"
REPORT: Final = Struct("!Qi")
"""The number of a process that ended, and its wait status; number 0 says that the server is ready."""
NOT_FORKED: Final = -1
"""The status of a process for which there were no resources."""
OUT_OF_MEMORY: Final = 77
"""Exit status of a process that ran out of memory."""
