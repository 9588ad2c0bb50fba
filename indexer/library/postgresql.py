"""A database on a server of PostgreSQL: connecting, excluding other writers, noticing changes, explaining errors."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from threading import get_ident
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    Uuid,
    create_engine,
    delete,
    event,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry

from indexer.library.errors import CatalogUnreachable, LibraryDamaged, LibraryError, LibraryLocked
from indexer.library.lifetime import Lifetime
from indexer.library.settings import without_password

Result = TypeVar("Result")

_CONNECT_TIMEOUT_S = 10
_LOCK_TIMEOUT_S = 10.0
_RETURN_WAIT_S = 30.0
"""How long the holder of the lock waits for a server that is started again. It is longer than a server needs to notice
that the machine of a connection is gone."""
_POLL_S = 0.2
_TRANSACTION, _WRITER = 1, 2
_LOCKS = 0x50495853
"""The first key of all advisory locks of Pixelseek; the second says which."""
_CONNECTION = {
    "connect_timeout": _CONNECT_TIMEOUT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_KEEPALIVE_OF_SERVER = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"

_state = Table("catalog_state", MetaData(), Column("commit", Uuid), Column("writer", Uuid))
"""One row: random numbers of the transaction that was committed last, and of the last holder of the lock."""
_NOTE_COMMIT = text("UPDATE catalog_state SET commit = :commit RETURNING CAST(pg_current_xact_id() AS text)")
_STATUS = text("SELECT pg_xact_status(CAST(:number AS xid8))")


@dataclass
class _Lock:
    """The lock of the library's writer. The server releases it when the connection ends."""

    connection: Connection
    holder: UUID
    thread: int


class _WithoutNul(StrDumperUnknown):
    """PostgreSQL has no character 0 in texts. No word has it either: it counts as a space."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", " "))


class PostgresqlDatabase:
    """A database on a server (see `database.Database`).

    Errors of PostgreSQL are raised as LibraryError: CatalogUnreachable while the server is away, LibraryLocked if
    another process writes for too long, LibraryDamaged. After a restart of the server the next transaction connects
    again.
    """

    def __init__(self, url: URL, *, remedy: str, lifetime: Lifetime | None = None) -> None:
        self._name = without_password(url.render_as_string(hide_password=False))
        self._remedy = remedy
        self.lifetime = lifetime or Lifetime(self._name)
        """Keeps the database open for those that use it."""
        self._lock: _Lock | None = None
        settings = {"application_name": f"pixelseek, process {os.getpid()} on {platform.node()}"[:63], **_CONNECTION}
        self._engine = create_engine(
            url,
            pool_pre_ping=True,
            json_serializer=_to_json,
            # No prepared statements: they do not outlive a change of the tables, nor a pool between us and the server.
            connect_args={key: value for key, value in settings.items() if key not in url.query}
            | {"prepare_threshold": None},
        )
        event.listen(self._engine, "connect", self._prepare)
        event.listen(self._engine, "handle_error", self._explain)
        # Whoever writes must see what was committed while it waited for the lock: REPEATABLE READ would not show it.
        self._writing = self._engine.execution_options(isolation_level="READ COMMITTED")
        self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._without_transaction = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def name(self) -> str:
        """Its URL, without the password."""
        return self._name

    def exists(self) -> bool:
        """Whether `create` has been called for the database."""
        with self.connect() as connection:
            if not inspect(connection).has_table(_state.name):
                return False
            if connection.execute(select(_state)).first() is None:
                raise self._moved()
            return True

    def create(self) -> None:
        """Prepare the database for a catalog, unless it is. It must exist, and be of UTF-8."""
        with self.lifetime.in_use(), self._open(self._writing) as connection, connection.begin():
            if inspect(connection).has_table(_state.name):
                if connection.execute(select(_state)).first() is None:
                    raise self._moved()
                return
            encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
            if encoding != "UTF8":
                raise LibraryError(
                    f"the database {self.name} is of the encoding {encoding}. Make one with "
                    "`createdb --encoding=UTF8 --template=template0 NAME`."
                )
            _exclude_others(connection)
            _state.create(connection, checkfirst=True)
            if connection.execute(select(_state)).first() is None:
                connection.execute(insert(_state).values(commit=uuid4(), writer=uuid4()))

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A transaction that reads one state of the database and cannot write."""
        with self.lifetime.in_use(), self._open(self._reading) as connection:
            yield connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that writes; there is only one at a time, of all machines.

        CatalogUnreachable says that nothing of it was committed.
        """
        with self.lifetime.in_use():
            self._require_lock()
            with self._open(self._writing) as connection, connection.begin() as transaction:
                _exclude_others(connection)
                yield connection
                number = connection.execute(_NOTE_COMMIT, {"commit": uuid4()}).scalar_one_or_none()
                if number is None:
                    raise self._moved()
                try:
                    transaction.commit()
                except CatalogUnreachable as error:
                    if not self._was_committed(number, error):
                        raise

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in a transaction that writes. The holder of the lock does it again if the connection is lost."""
        try:
            with self.begin() as connection:
                return work(connection)
        except CatalogUnreachable:
            if not self._is_locked_here():
                raise
        with self.begin() as connection:
            return work(connection)

    @contextmanager
    def lock(self, *, wait_s: float = 0.0) -> Iterator[None]:
        """Hold the lock of the library's writer, on all machines. Raises LibraryLocked, naming the holder."""
        with self.lifetime.in_use():
            holder = uuid4()
            connection = self._take_lock(wait_s)
            self._lock = _Lock(connection, holder, get_ident())
            try:
                connection.execute(update(_state).values(writer=holder))
                yield
            finally:
                held, self._lock = self._lock, None
                _end(held.connection)

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """A transaction that reads, while no other process is connected and none can write. Raises LibraryLocked."""
        self._engine.dispose()  # the idle connections of this process are not those of another
        with self.lifetime.in_use(), self._open(self._writing) as connection, connection.begin():
            _exclude_others(connection)
            deadline = time.monotonic() + _LOCK_TIMEOUT_S
            while (other := self._other_process(connection)) is not None:
                if time.monotonic() >= deadline:
                    raise LibraryLocked(
                        f"{self.name} is in use by {other}. Stop `pixelseek serve` and every other command that uses "
                        "the library, and try again."
                    )
                time.sleep(_POLL_S)
            yield connection

    def retire(self) -> str:
        """Note that the catalog was moved: nobody opens it or writes to it any more."""
        with self.lifetime.in_use(), self._open(self._writing) as connection, connection.begin():
            connection.execute(delete(_state))
        return self.name

    def size(self) -> int:
        """Bytes of the database on the server."""
        with self.connect() as connection:
            return int(connection.execute(select(func.pg_database_size(func.current_database()))).scalar_one())

    def version(self) -> object:
        """A value that changes when another connection commits."""
        with self.lifetime.in_use(), self._open(self._without_transaction) as connection:
            return connection.execute(select(_state.c.commit)).scalar_one_or_none()

    def damage(self) -> list[str]:
        """Nothing: the server enforces the constraints, and its own tools check its files."""
        with self.connect() as connection:
            connection.execute(select(1))
        return []

    def close(self) -> None:
        """Close all connections for good, once those in use are returned."""
        self.lifetime.close()
        self._engine.dispose()

    def _is_locked_here(self) -> bool:
        """Whether this thread holds the lock of the library's writer."""
        return self._lock is not None and self._lock.thread == get_ident()

    def _open(self, engine: Engine) -> Connection:
        """A connection. The holder of the lock waits for a server that is started again, so that its run goes on."""
        deadline = time.monotonic() + (_RETURN_WAIT_S if self._is_locked_here() else 0)
        while True:
            try:
                return engine.connect()
            except CatalogUnreachable:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_POLL_S)

    def _take_lock(self, wait_s: float) -> Connection:
        """A connection that holds the lock of the library's writer."""
        connection = self._open(self._without_transaction)
        deadline = time.monotonic() + wait_s
        try:
            connection.execute(text(_KEEPALIVE_OF_SERVER))
            take = select(func.pg_try_advisory_lock(_LOCKS, _WRITER))
            while not connection.execute(take).scalar_one():
                if time.monotonic() >= deadline:
                    raise LibraryLocked(
                        f"{self.name} is being written by {_holder(connection)}. Wait until it is done, or stop it."
                    )
                time.sleep(_POLL_S)
        except BaseException:
            _end(connection)
            raise
        return connection

    def _other_process(self, connection: Connection) -> str | None:
        """Another process of Pixelseek that is connected to the database, in words; None if there is none."""
        query = text(
            "SELECT application_name, backend_start FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND pid <> :own AND backend_type = 'client backend' "
            "AND (application_name LIKE 'pixelseek, %' OR application_name = current_setting('application_name'))"
        )
        held = self._lock.connection.connection.driver_connection if self._lock is not None else None
        own = held.info.backend_pid if isinstance(held, psycopg.Connection) else 0
        row = connection.execute(query, {"own": own}).first()
        return None if row is None else _in_words(row.application_name, row.backend_start)

    def _moved(self) -> LibraryError:
        return LibraryError(
            f"the catalog that was in {self.name} has been moved elsewhere. Correct the setting `catalog`; to use this "
            "database again, drop it and create it anew."
        )

    def _require_lock(self) -> None:
        """Take the lock again if its connection was lost.

        Raises LibraryLocked if another process has held it meanwhile: what this one knows of the library is outdated.
        """
        if self._lock is None or not self._is_locked_here() or _is_alive(self._lock.connection):
            return
        _end(self._lock.connection)
        self._lock.connection = self._take_lock(_RETURN_WAIT_S)
        if self._lock.connection.execute(select(_state.c.writer)).scalar_one() != self._lock.holder:
            raise LibraryLocked(
                f"the connection to {self.name} was lost, and another process has written to it. Start again."
            )

    def _was_committed(self, number: str, error: CatalogUnreachable) -> bool:
        """Whether the transaction of that number was committed: its connection was lost at that moment."""
        deadline = time.monotonic() + _RETURN_WAIT_S
        while time.monotonic() < deadline:
            with suppress(CatalogUnreachable), self._open(self._without_transaction) as connection:
                status = connection.execute(_STATUS, {"number": number}).scalar_one()
                if status != "in progress":
                    return bool(status == "committed")
            time.sleep(_POLL_S)
        raise LibraryError(f"{error} It is not known whether the last change was stored.") from error

    @staticmethod
    def _prepare(connection: psycopg.Connection[Any], _record: ConnectionPoolEntry) -> None:
        connection.adapters.register_dumper(str, _WithoutNul)

    def _explain(self, context: ExceptionContext) -> None:
        error = context.original_exception
        if not isinstance(error, psycopg.Error) or context.is_pre_ping:
            return
        message = " ".join(str(error).split()).rstrip(".")
        if context.connection is None:
            raise CatalogUnreachable(
                f"{self.name} cannot be reached: {message}. Start the server, or correct the setting `catalog`."
            ) from error
        if context.is_disconnect:
            raise CatalogUnreachable(
                f"the connection to {self.name} was lost: {message}. Try again when the server runs."
            ) from error
        match error:
            case psycopg.errors.LockNotAvailable() | psycopg.errors.DeadlockDetected():
                raise LibraryLocked(
                    f"another process has been writing to {self.name} for {_LOCK_TIMEOUT_S:g} seconds. Try again."
                ) from error
            case psycopg.errors.DataCorrupted() | psycopg.errors.IndexCorrupted():
                raise LibraryDamaged(f"{self.name} is damaged: {message}. {self._remedy}") from error
            case psycopg.OperationalError() | psycopg.InternalError() | psycopg.NotSupportedError():
                raise LibraryError(f"{self.name} cannot be used: {message}. Ask who runs the server.") from error
            case (
                psycopg.errors.InsufficientPrivilege()
                | psycopg.errors.DuplicateTable()
                | psycopg.errors.UndefinedTable()
                | psycopg.errors.UndefinedColumn()
            ):
                raise LibraryError(
                    f"{self.name} cannot be used: {message}. The database must be Pixelseek's own, "
                    "and the user its owner."
                ) from error


def _exclude_others(connection: Connection) -> None:
    """Wait until no other transaction writes; the lock ends with this transaction."""
    connection.execute(text(f"SET LOCAL lock_timeout = {round(1000 * _LOCK_TIMEOUT_S)}"))
    connection.execute(select(func.pg_advisory_xact_lock(_LOCKS, _TRANSACTION)))


def _holder(connection: Connection) -> str:
    """Who holds the lock of the library's writer, in words."""
    query = text(
        "SELECT application_name, backend_start FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE locktype = 'advisory' AND classid = :locks AND objid = :lock AND granted "
        "AND datname = current_database()"
    )
    row = connection.execute(query, {"locks": _LOCKS, "lock": _WRITER}).first()
    if row is None or not row.application_name:
        return "another process"
    return _in_words(row.application_name, row.backend_start)


def _in_words(application_name: str, start: datetime) -> str:
    return f"{application_name.removeprefix('pixelseek, ')} since {start:%Y-%m-%d %H:%M:%S%z}"


def _is_alive(connection: Connection) -> bool:
    """Whether the session on the server goes on."""
    try:
        return not connection.closed and connection.execute(select(1)).scalar_one() == 1
    except CatalogUnreachable:
        return False


def _end(connection: Connection) -> None:
    """End the session on the server. Its lock is released first: the server notices later that a session has ended."""
    if not connection.closed:
        with suppress(LibraryError):
            if not connection.invalidated:
                connection.execute(select(func.pg_advisory_unlock_all()))
        connection.invalidate()
        connection.close()


def _to_json(value: Any) -> str:
    return json.dumps(_without_nul(value))


def _without_nul(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", " ")
        case list() | tuple():
            return [_without_nul(item) for item in value]
        case dict():
            return {key: _without_nul(item) for key, item in value.items()}
    return value
