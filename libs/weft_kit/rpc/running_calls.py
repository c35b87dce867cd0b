"""The calls in progress on a server, which it can end with an error that says why."""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from weft_kit.rpc.errors import Draining, WeftError

# The time for the clean-up and the last message of a call that the server ends.
_GOODBYE_S = 1.0

_endings: WeakKeyDictionary[asyncio.Task[Any], WeftError] = WeakKeyDictionary()


def ending() -> WeftError | None:
    """Returns the error with which this server is ending the current call; None if it is not."""
    call = asyncio.current_task()
    return _endings.get(call) if call else None


class RunningCalls:
    """The calls in progress, each with its key."""

    def __init__(self) -> None:
        # "" until the key has been checked, if there is none, and after the call was ended because of its key.
        self._key_ids: dict[asyncio.Task[Any], str] = {}

    def begin(self) -> None:
        """Counts the current task as a running call, until `end`."""
        self.came_with("")

    def end(self) -> None:
        """No longer counts the current task."""
        if call := asyncio.current_task():
            self._key_ids.pop(call, None)

    def came_with(self, key_id: str) -> None:
        """Notes the key that the current call came with."""
        if call := asyncio.current_task():
            self._key_ids[call] = key_id

    def key_ids(self) -> set[str]:
        """Returns the keys in use."""
        return set(self._key_ids.values()) - {""}

    def end_those_of(self, key_id: str, error: WeftError) -> None:
        """Ends all calls made with a key, with an error."""
        for call, its_key_id in self._key_ids.items():
            if its_key_id == key_id:
                # Only once: a second cancellation would cut off its last message.
                self._key_ids[call] = ""
                _end(call, error)

    async def empty(self, grace_s: float) -> None:
        """Waits until the calls are over; ends those still running after `grace_s` with DRAINING.

        A plain cancellation would look like the caller's own; this error says that another replica will answer.
        """
        if self._key_ids:
            await asyncio.wait(self._key_ids, timeout=grace_s)
        late = set(self._key_ids)
        for call in late:
            _end(call, Draining())
        if late:
            await asyncio.wait(late, timeout=_GOODBYE_S)


def _end(call: asyncio.Task[Any], error: WeftError) -> None:
    _endings[call] = error
    call.cancel()
