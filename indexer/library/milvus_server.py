"""A server of Milvus: connecting, what is asked of its collections, and its errors in words.

A collection has one row for each encoding: `sequence`, its number (see `encodings.Embeddings`), and `vector`. Rows are
added and deleted, and never changed.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from indexer.library.errors import LibraryError, VectorsMissing, VectorsUnreachable
from indexer.library.settings import without_password

MAX_ROWS = 16_384
"""More rows than these Milvus returns to no request."""
MAX_NUMBERS = 10_000
"""How many numbers stand in one filter expression. Milvus reads 10,000 in a tenth of a second."""
_ROWS_AT_ONCE = 4096
_DEFAULT_PORT = 19530
_TIMEOUT_S = 10.0
_LONG_TIMEOUT_S = 60.0
_LOAD_POLL_S = 0.2
_NO_CONNECTION, _NOT_FOUND, _NOT_LOADED, _NO_DATABASE = 2, 100, (101, 103), 800
_NO_DATABASE_TEXT = re.compile(r"database:\S+ not found")  # in Milvus 2.3 some requests answer without the code
_SEQUENCE, _VECTOR = "sequence", "vector"


class MilvusServer:
    """A server, and one database of it. Threads share it. It connects when it is first asked something.

    Every method raises VectorsUnreachable while the server is away or starts, VectorsMissing for a collection that is
    not there, and LibraryError for all else. After a restart of the server the next call connects again.
    """

    def __init__(self, url: str) -> None:
        """`url` is the setting `vectors`: `milvus://USER:PASSWORD@HOST:PORT/DATABASE`."""
        self.name = without_password(url)
        """The URL without the password."""
        parts = urlsplit(url)
        self._address: dict[str, Any] = {
            "uri": f"http://{parts.hostname}:{parts.port or _DEFAULT_PORT}",
            "user": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "db_name": parts.path.strip("/"),
        }
        self._lock = threading.Lock()
        self._client: Any = None

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def check(self) -> None:
        """Raise what is wrong with the server, or with the user's rights."""
        self._call("list_collections")

    def create(self, collection: str, *, width: int, index: tuple[str, dict[str, int]], description: str) -> None:
        """Make the collection, for vectors of `width` and with an index of that kind and those parameters."""
        from pymilvus import DataType

        client = self._connected()
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False, description=description)
        schema.add_field(_SEQUENCE, DataType.INT64, is_primary=True)
        schema.add_field(_VECTOR, DataType.FLOAT_VECTOR, dim=width)
        indexes = client.prepare_index_params()
        indexes.add_index(_VECTOR, index_type=index[0], metric_type="IP", params=index[1])
        self._call("create_collection", collection, schema=schema, index_params=indexes, timeout=_LONG_TIMEOUT_S)

    def drop(self, collection: str) -> None:
        """Delete the collection with its aliases, if it is there."""
        for alias in self.aliases(collection):
            self._call("drop_alias", alias)
        self._call("drop_collection", collection)

    def aliases(self, collection: str) -> list[str]:
        """The other names of the collection. A search by one that was taken away raises VectorsMissing."""
        self._call("describe_collection", collection)
        return list(self._call("list_aliases", collection)["aliases"])

    def add_alias(self, collection: str, alias: str) -> None:
        """Give the collection one more name."""
        self._call("create_alias", collection, alias)

    def remove_alias(self, alias: str) -> None:
        """Take that name away."""
        self._call("drop_alias", alias)

    def count(self, collection: str) -> int:
        """How many rows there are, with all that was written before."""
        rows = self._query(collection, "", ["count(*)"], is_strong=True)
        return int(rows[0]["count(*)"])

    def sequences(self, collection: str, *, after: int, up_to: int) -> NDArray[np.int64]:
        """(N,) The numbers of all rows beyond `after`, ascending: all up to `up_to`, and MAX_ROWS at most beyond it."""
        numbers = []
        for start in range(after, up_to, MAX_ROWS):
            part = f"{_SEQUENCE} > {start} and {_SEQUENCE} <= {min(start + MAX_ROWS, up_to)}"
            numbers += self._query(collection, part, [_SEQUENCE], is_strong=True)
        numbers += self._query(collection, f"{_SEQUENCE} > {up_to}", [_SEQUENCE], is_strong=True, limit=MAX_ROWS)
        return np.unique(np.array([row[_SEQUENCE] for row in numbers], dtype=np.int64))

    def vectors(
        self, collection: str, sequences: NDArray[np.int64], *, is_strong: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Numbers (K,) and vectors (K, D) of those of these rows that are there, ascending."""
        numbers, vectors = [], []
        for start in range(0, len(sequences), _ROWS_AT_ONCE):
            chosen = _among(sequences[start : start + _ROWS_AT_ONCE])
            for row in self._query(collection, chosen, [_SEQUENCE, _VECTOR], is_strong=is_strong):
                numbers.append(row[_SEQUENCE])
                vectors.append(np.array(row[_VECTOR], dtype=np.float32).astype(np.float16))
        found = np.array(numbers, dtype=np.int64)
        order = np.argsort(found)
        return found[order], np.stack(vectors)[order] if vectors else np.empty((0, 0), dtype=np.float16)

    def nearest(
        self,
        collection: str,
        query: NDArray[np.float32],
        count: int,
        *,
        among: NDArray[np.int64] | None = None,
        between: tuple[int, int] | None = None,
        parameters: dict[str, int],
        is_strong: bool,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Numbers (K,) and inner products (K,) of the K <= `count` nearest rows, best first, as Milvus sees it.

        `among` are the numbers of rows that may be found, MAX_NUMBERS at most; `between` a first and a last one.
        """
        expression = "" if among is None else _among(among)
        if between is not None:
            expression = f"{_SEQUENCE} >= {between[0]} and {_SEQUENCE} <= {between[1]}"
        (hits,) = self._read(
            "search",
            collection,
            data=[query],
            anns_field=_VECTOR,
            limit=count,
            filter=expression,
            search_params={"metric_type": "IP", "params": parameters},
            consistency_level=_level(is_strong),
        )
        numbers = np.array([hit["id"] for hit in hits], dtype=np.int64)
        return numbers, np.array([hit["distance"] for hit in hits], dtype=np.float32)

    def add(self, collection: str, sequences: NDArray[np.int64], vectors: NDArray[np.float16]) -> None:
        """Add rows. Adding the same ones again changes nothing."""
        rows = [
            {_SEQUENCE: sequence, _VECTOR: vector}
            for sequence, vector in zip(sequences.tolist(), vectors.astype(np.float32), strict=True)
        ]
        self._call("upsert", collection, rows, timeout=_LONG_TIMEOUT_S)

    def remove(self, collection: str, sequences: NDArray[np.int64]) -> None:
        """Delete rows."""
        for start in range(0, len(sequences), MAX_NUMBERS):
            chosen = sequences[start : start + MAX_NUMBERS].tolist()
            self._call("delete", collection, ids=chosen, timeout=_LONG_TIMEOUT_S)

    def seal(self, collection: str) -> None:
        """Have Milvus write all rows to its storage, where it then makes their index."""
        self._call("flush", collection, timeout=_LONG_TIMEOUT_S)

    def _query(
        self, collection: str, expression: str, fields: Sequence[str], *, is_strong: bool, limit: int | None = None
    ) -> list[Any]:
        options: dict[str, Any] = {} if limit is None else {"limit": limit}
        level = _level(is_strong)
        return list(
            self._read(
                "query", collection, filter=expression, output_fields=list(fields), consistency_level=level, **options
            )
        )

    def _read(self, method: str, collection: str, **options: Any) -> Any:
        """As `_call`. A collection that is not in the server's memory is brought there first."""
        try:
            return self._call(method, collection, **options)
        except _NotLoaded:
            deadline = time.monotonic() + _TIMEOUT_S
            self._call("load_collection", collection)
            while True:
                try:
                    return self._call(method, collection, **options)
                except _NotLoaded:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(_LOAD_POLL_S)

    def _call(self, method: str, *arguments: Any, timeout: float = _TIMEOUT_S, **options: Any) -> Any:
        import grpc
        from pymilvus.exceptions import MilvusException

        try:
            return getattr(self._connected(), method)(*arguments, timeout=timeout, **options)
        except (MilvusException, grpc.RpcError, grpc.FutureTimeoutError) as error:
            raise self._explained(error) from error

    def _connected(self) -> Any:
        """The client."""
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Any:
        try:
            import grpc
            import pymilvus
        except ImportError as error:
            raise LibraryError(
                f"the vectors at {self.name} need the client of Milvus: pip install 'pixelseek[milvus]'."
            ) from error
        # It writes every error to the terminal, with a traceback. Here all of them are raised.
        for name in [name for name in logging.root.manager.loggerDict if name.startswith("pymilvus")]:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            return pymilvus.MilvusClient(**self._address, timeout=_TIMEOUT_S)
        except (pymilvus.MilvusException, grpc.RpcError, grpc.FutureTimeoutError) as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> LibraryError:
        import grpc
        import pymilvus

        code = getattr(error, "code", None)
        code = code() if callable(code) else code
        text = str(getattr(error, "message", "") or getattr(error, "details", str)() or error)
        text = " ".join(text.split()).rstrip(".")[:300]
        if code == _NOT_FOUND:
            return VectorsMissing(f"{self.name} has no such collection: {text}.")
        if code in _NOT_LOADED:
            return _NotLoaded(f"{self.name} has not loaded the vectors yet. Try again in a moment.")
        if code == _NO_DATABASE or _NO_DATABASE_TEXT.search(text):
            database = self._address["db_name"]
            return LibraryError(
                f"{self.name} has no database {database}. Create it with MilvusClient.create_database({database!r}), "
                "or correct the setting `vectors`."
            )
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return VectorsUnreachable(f"{self.name} has not answered in time. Try again when the server is less busy.")
        if code is grpc.StatusCode.UNAUTHENTICATED or "auth check failure" in text:
            return LibraryError(f"{self.name} refuses the user or the password. Correct the setting `vectors`.")
        if (
            isinstance(error, pymilvus.MilvusException)
            and not isinstance(code, grpc.StatusCode)
            and code != _NO_CONNECTION
        ):
            return VectorsUnreachable(f"{self.name} cannot answer: {text}. Try again when the server is well.")
        # The client does not tell a wrong password from a server that is away.
        return VectorsUnreachable(
            f"{self.name} cannot be reached: {text}. Start the server, or correct the setting `vectors`, also the user "
            "and the password in it."
        )


class _NotLoaded(VectorsUnreachable):
    """The server runs, and has not loaded the collection yet."""


def _among(sequences: NDArray[np.int64]) -> str:
    return f"{_SEQUENCE} in {sequences.tolist()}"


def _level(is_strong: bool) -> str:
    """The consistency level: with all that was written before, or at least up to a few seconds before."""
    return "Strong" if is_strong else "Bounded"
