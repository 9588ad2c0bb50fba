"""A private server of PostgreSQL for the tests: in a folder of its own, as a user without rights, on a Unix socket."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

_PLACES = "/usr/lib/postgresql/15/bin"
_USER = "postgres"


class ServerMissing(Exception):  # noqa: N818
    """This machine cannot run the server; the message says why."""


@dataclass
class PostgresqlServer:
    """A server that can be killed and started again."""

    folder: Path
    user: str | None
    """The user of the system that it runs as; None: this one."""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off -c shared_buffers=16MB"
        self._run(
            "pg_ctl", "start", "-w", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-o", options
        )

    def kill(self) -> None:
        """As a power cut does: connections break off, nothing is written any more."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(self.folder / "data"))

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"photos{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://pixelseek@/{name}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> str:
        """What `psql` prints."""
        return self._run("psql", "-h", str(self.folder), "-U", "pixelseek", "-d", database, "-Atqc", statement)

    def require_password(self, user: str) -> None:
        """Make a user who needs one."""
        self.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'another'")
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text(f"local all {user} scram-sha-256\n{rules.read_text()}")
        self.execute("SELECT pg_reload_conf()")

    def initialize(self) -> None:
        self._run(
            "initdb",
            "-D",
            str(self.folder / "data"),
            "-U",
            "pixelseek",
            "-A",
            "trust",
            "-N",
            "-E",
            "UTF8",
            "--locale=C",
        )

    def _run(self, program: str, *arguments: str) -> str:
        output = self.folder / "output"  # not a pipe: the server would keep it open
        with output.open("w") as file:
            run = subprocess.run(
                [shutil.which(program, path=_PLACES) or program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
                check=False,
            )
        text = output.read_text()
        assert run.returncode == 0, text
        return text.strip()


@contextmanager
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A running server, and its end. Raises ServerMissing."""
    if shutil.which("initdb", path=_PLACES) is None:
        raise ServerMissing(f"PostgreSQL 15 is not installed ({_PLACES}): apt-get install postgresql-15")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0  # the server refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="pixelseek-postgresql-"))
    server = PostgresqlServer(folder, _USER if is_root else None)
    try:
        if is_root:
            shutil.chown(folder, _USER, _USER)
        server.initialize()
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder)
