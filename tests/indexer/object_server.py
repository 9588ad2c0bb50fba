"""A server of S3 for the tests, and what lies in it or in a folder; as a program, it is that server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np

from indexer.library.settings import FILE
from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter
from model.runtime.protocol import EncodedImages

ROOT = Path(__file__).parents[2]
SECRET = "s3cret-and-never-shown"


class Place(Protocol):
    """Where a test looks at the files of a library behind Pixelseek's back."""

    @property
    def url(self) -> str: ...

    def names(self) -> list[str]: ...

    def read(self, name: str) -> bytes: ...

    def write(self, name: str, content: bytes) -> None: ...

    def remove(self, name: str) -> None: ...


@dataclass(frozen=True)
class FolderPlace:
    folder: Path

    @property
    def url(self) -> str:
        return self.folder.as_uri()

    def names(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)

    def remove(self, name: str) -> None:
        (self.folder / name).unlink()


class ObjectServer:
    """Moto's server in a process of its own. It can go away and come back, and be killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.indexer.object_server"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.url = self._answer()
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def tell(self, word: str) -> None:
        """`stop`: it refuses connections; `start`: it is back with all that it had."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        self._answer()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def new_bucket(self, name: str) -> Bucket:
        bucket = Bucket(f"s3://{name}/some/folder", self)
        bucket.client().create_bucket(Bucket=name)
        return bucket

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@dataclass(frozen=True)
class Bucket:
    url: str
    server: ObjectServer

    def client(self) -> Any:
        import boto3

        environment = self.server.environment
        return boto3.client(
            "s3",
            endpoint_url=self.server.url,
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=SECRET,
            region_name=environment["AWS_DEFAULT_REGION"],
        )

    @property
    def _bucket(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def _prefix(self) -> str:
        return urlsplit(self.url).path.strip("/") + "/"

    def names(self) -> list[str]:
        found = self.client().list_objects_v2(Bucket=self._bucket, Prefix=self._prefix).get("Contents", [])
        return sorted(entry["Key"].removeprefix(self._prefix) for entry in found)

    def read(self, name: str) -> bytes:
        content: bytes = self.client().get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"].read()
        return content

    def write(self, name: str, content: bytes) -> None:
        self.client().put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content)

    def remove(self, name: str) -> None:
        self.client().delete_object(Bucket=self._bucket, Key=self._prefix + name)


def keep_files_in(library: Path, url: str) -> None:
    """Set `files`, as a person does who edits the settings."""
    library.mkdir(exist_ok=True)
    (library / FILE).write_text(f'files = "{url}"\n')


def move_features(library: LibraryView, *batches: Sequence[int]) -> None:
    """Store the encodings of photos anew where the settings say now, those of each batch together."""
    with LibraryWriter.lock(library) as writer:
        for batch in batches:
            of_photos = library.embeddings(batch), library.pixel_features(batch), library.pooled_features(batch)
            embeddings, pixels, pooled = (list(values.values()) for values in of_photos)
            writer.encodings.add(batch, EncodedImages(np.stack(embeddings), pixels, np.stack(pooled)))
        writer.update_index()


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    """A running server, and its end."""
    server = ObjectServer()
    try:
        yield server
    finally:
        server.kill()


def main() -> None:
    """Serve until standard input ends."""
    from moto.server import ThreadedMotoServer

    os.environ.setdefault("MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", "1000000")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    for word in sys.stdin:
        if word.strip() == "stop":
            server.stop()
        else:
            server = ThreadedMotoServer(ip_address=host, port=port, verbose=False)
            server.start()
            server.get_host_and_port()
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
