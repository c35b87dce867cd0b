"""Writes the logs of a mesh's parts, and follows them; with several, each line begins with its part's name."""

import asyncio
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

_POLL_S = 0.2


async def show_logs(logs: Mapping[str, Path], lines: int, *, follow: bool) -> None:
    """Writes the last lines of each part's log; with `follow`, writes new lines until it is cancelled."""
    from weft_compose.run_logs import Followed, last_lines

    width = max(map(len, logs))
    names = {part: f"{part:<{width}} | " if len(logs) > 1 else "" for part in logs}
    # Before the last lines are read: a line added meanwhile is shown twice rather than not at all.
    followed = {part: Followed(log) for part, log in logs.items()}
    for part, log in logs.items():
        _write(names[part], last_lines(log, lines) if lines else ())
    while follow:
        for part, log_end in followed.items():
            _write(names[part], log_end.new_lines())
        await asyncio.sleep(_POLL_S)


def _write(name: str, lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{name}{line}\n")
    sys.stdout.flush()
