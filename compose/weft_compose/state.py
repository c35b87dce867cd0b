"""The state folder: who runs the mesh, where it answers, its keys, and one folder or log a part."""

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from weft_compose.errors import AlreadyRunning, StateUnusable


@dataclass(frozen=True)
class Process:
    """A process, told apart from a later one with the same pid by the time it was created."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> "Process":
        return cls(pid, psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """Returns the process if it still runs."""
        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.pid)
            if found.create_time() == self.created and found.status() != psutil.STATUS_ZOMBIE:
                return found
        return None


@dataclass(frozen=True)
class RunningPart:
    """A part as the launcher started it."""

    name: str
    address: str
    process: Process
    log: str

    @property
    def kind(self) -> str:
        """What it is one of: `gateway` for gateway-2."""
        return self.name.partition("-")[0]


@dataclass(frozen=True)
class Mesh:
    """What mesh.json holds. `launcher` and `parts` are empty while the mesh is down; the keys stay good."""

    endpoint: str
    """The first gateway."""
    operator_token: str
    webhook_signing_key: str = ""
    endpoints: tuple[str, ...] = ()
    """Every gateway; each serves every job."""
    tenant: str = "default"
    key_id: str = ""
    api_key: str = ""
    launcher: Process | None = None
    parts: tuple[RunningPart, ...] = field(default=())

    @classmethod
    def from_json(cls, text: str) -> "Mesh":
        fields: dict[str, Any] = json.loads(text)
        launcher = fields.pop("launcher")
        endpoints = fields.pop("endpoints", ())
        parts = [{**part, "process": Process(**part["process"])} for part in fields.pop("parts")]
        return cls(
            **fields,
            endpoints=tuple(endpoints),
            launcher=Process(**launcher) if launcher else None,
            parts=tuple(RunningPart(**part) for part in parts),
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def is_up(self) -> bool:
        """Tells whether the launcher that wrote this still runs."""
        return self.launcher is not None and self.launcher.find() is not None


class StateFolder:
    """A folder, `.weft` by default, that outlives the mesh."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def data(self, part: str) -> Path:
        return self.root / part

    def log(self, part: str) -> Path:
        return self.root / "logs" / f"{part}.log"

    def forget_logs(self) -> None:
        """Removes what the parts of an earlier mesh wrote."""
        for log in (self.root / "logs").glob("*.log"):
            log.unlink()

    def read(self) -> Mesh | None:
        """Returns what the last launcher wrote, None before the first."""
        try:
            return Mesh.from_json(self._mesh_file.read_text())
        except FileNotFoundError:
            return None

    def write(self, mesh: Mesh) -> None:
        """Replaces mesh.json in one step, readable by its owner alone: it holds keys."""
        draft = self._mesh_file.with_suffix(".draft")
        with open(draft, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(mesh.to_json())
        draft.replace(self._mesh_file)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for one launcher; the kernel lets go when it ends, however it ends.

        Raises:
            AlreadyRunning: another launcher holds it.
            StateUnusable: it cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            held = (self.root / "lock").open("w")
        except OSError as error:
            line = f"{self.root} cannot hold the mesh's state ({error.strerror}): name another folder with --state"
            raise StateUnusable(line) from None
        with held as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(self._who_runs()) from None
            yield

    async def wait_for_leftovers(self, timeout_s: float = 10.0) -> None:
        """Waits for parts of a killed launcher, which end on their own; ends those that do not."""
        mesh = self.read()
        alive = [process for part in (mesh.parts if mesh else ()) if (process := part.process.find())]
        _, stubborn = await asyncio.to_thread(psutil.wait_procs, alive, timeout_s)
        for process in stubborn:
            process.kill()

    def _who_runs(self) -> str:
        mesh = self.read()
        where = f" at {mesh.endpoint}, pid {mesh.launcher.pid}" if mesh and mesh.launcher else ""
        return f"a mesh runs from {self.root} already{where}: use it, or stop it with `weft down`"

    @property
    def _mesh_file(self) -> Path:
        return self.root / "mesh.json"
