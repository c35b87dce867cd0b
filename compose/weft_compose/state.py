"""The state folder: the mesh's launcher, addresses and keys, and a folder or a log for each part."""

import asyncio
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import psutil
from pydantic import Field, TypeAdapter, ValidationError

from weft_compose.errors import AlreadyRunning, StateUnusable
from weft_compose.mesh_file import MeshFileUnusable, read_mesh_file, unusable
from weft_compose.run_logs import RunLogs
from weft_kit.atomic_file import replace_text
from weft_kit.mesh_id import DEFAULT_MESH_ID

# PostgreSQL limits paths to 1,024 bytes, including the names of its files below the folder.
_LONGEST_PATH = 950
_MAKE_ROOM = "free some space on its disk, or name a folder on another with --state"


@dataclass(frozen=True)
class Process:
    """A process, distinguished from a later one with the same pid by its creation time."""

    pid: Annotated[int, Field(gt=0)]
    created: float

    @classmethod
    def of(cls, pid: int) -> "Process":
        return cls(pid, psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """Returns the process if it still runs."""
        with suppress(psutil.Error):
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
        """The kind of part: `gateway` for gateway-2."""
        return self.name.partition("-")[0]


@dataclass(frozen=True)
class Mesh:
    """The contents of mesh.json. `launcher` and `parts` are empty while the mesh is down; the keys stay valid."""

    endpoint: str
    """The first gateway."""
    operator_token: str
    webhook_signing_key: str = ""
    endpoints: tuple[str, ...] = ()
    """Every gateway; each serves every job."""
    tenant: str = "default"
    key_id: str = ""
    api_key: str = ""
    mesh_id: str = DEFAULT_MESH_ID
    launcher: Process | None = None
    parts: tuple[RunningPart, ...] = field(default=())

    @classmethod
    def read(cls, written: Any) -> "Mesh":
        """Returns the checked contents of mesh.json, so that only real pids are looked up.

        Raises:
            ValidationError: they were not written by a launcher.
        """
        return _MESH.validate_python(written)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def is_up(self) -> bool:
        """Returns whether the launcher that wrote this still runs."""
        return self.launcher is not None and self.launcher.find() is not None


_MESH = TypeAdapter(Mesh)


class StateFolder:
    """The folder, `.weft` by default, that keeps a mesh's state while it is down.

    Raises:
        StateUnusable: servers could not use such a path.
    """

    def __init__(self, root: Path) -> None:
        try:
            # As the kernel sees it: servers report their folders without dots and links.
            self.root = root.resolve()
        except (OSError, RuntimeError):
            raise StateUnusable(f"{root} leads in a circle of links: name another folder with --state") from None
        _refuse_unusable(str(self.root))

    def data(self, part: str) -> Path:
        return self.root / part

    def mesh_id(self) -> str:
        """Returns the mesh's id: random, made at the first start; that of a folder from before ids is the default one.

        Raises:
            StateUnusable: it cannot be read or written.
        """
        file = self.root / "mesh-id"
        try:
            if not file.exists():
                is_older = any(self.data(server).exists() for server in ("nats", "nats-cluster", "postgres"))
                replace_text(file, DEFAULT_MESH_ID if is_older else secrets.token_hex(4), mode=0o600)
            return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise StateUnusable(f"{file} cannot be read or written ({error.strerror}): {_MAKE_ROOM}") from None

    @property
    def logs(self) -> RunLogs:
        return RunLogs(self.root / "logs")

    def log(self, part: str) -> Path:
        return self.logs.of(part)

    def last_good_catalog(self, service: str) -> Path:
        """Returns where a service keeps the last catalog that it could use."""
        return self.root / "catalogs" / f"{service}.toml"

    def read(self) -> Mesh | None:
        """Returns what the last launcher wrote; None before the first.

        Raises:
            StateUnusable: mesh.json is damaged.
        """
        try:
            written = read_mesh_file(self.root)
            return None if written is None else Mesh.read(written)
        except ValidationError as error:
            places = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors())
            raise StateUnusable(str(unusable(self._mesh_file, f"it has mistakes in {places}"))) from None
        except MeshFileUnusable as broken:
            raise StateUnusable(str(broken)) from None

    def begin_run(self) -> None:
        """Moves the logs of the last run to the earlier ones. Raises StateUnusable if that fails."""
        try:
            self.logs.begin_run()
        except OSError as error:
            raise StateUnusable(f"{error.filename} cannot be put aside ({error.strerror}): {_MAKE_ROOM}") from None

    def write(self, mesh: Mesh) -> None:
        """Replaces mesh.json in one step, readable only by its owner, because it holds keys.

        Raises:
            StateUnusable: it cannot be written.
        """
        try:
            replace_text(self._mesh_file, mesh.to_json(), mode=0o600)
        except OSError as error:
            raise StateUnusable(f"{self._mesh_file} cannot be written ({error.strerror}): {_MAKE_ROOM}") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Locks the folder for one launcher; the kernel releases it when the launcher ends, in whatever way.

        Raises:
            AlreadyRunning: another launcher holds it.
            StateUnusable: it cannot be written.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            held = os.fdopen(os.open(self.root / "lock", os.O_WRONLY | os.O_CREAT, 0o600), "w")
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
        """Waits for the parts of a killed launcher, which end on their own; kills those that do not."""
        mesh = self.read()
        alive = [process for part in (mesh.parts if mesh else ()) if (process := part.process.find())]
        _, stubborn = await asyncio.to_thread(psutil.wait_procs, alive, timeout_s)
        for process in stubborn:
            # psutil checks again whether the pid still belongs to that process.
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _who_runs(self) -> str:
        mesh = self.read()
        where = f" at {mesh.endpoint}, pid {mesh.launcher.pid}" if mesh and mesh.launcher else ""
        return f"a mesh runs from {self.root} already{where}: use it, or stop it with `weft down`"

    @property
    def _mesh_file(self) -> Path:
        return self.root / "mesh.json"


def _refuse_unusable(path: str) -> None:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        length = len(os.fsencode(path))
        line = f"the path of the state folder is {length} bytes long, and PostgreSQL takes {_LONGEST_PATH} at most"
        raise StateUnusable(f"{line}: name another folder with --state")
    if any(ord(character) < ord(" ") or "\ud800" <= character <= "\udfff" for character in path):
        line = f"{path!r} holds characters that servers do not take in their settings"
        raise StateUnusable(f"{line}: name another folder with --state")
