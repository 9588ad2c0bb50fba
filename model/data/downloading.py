"""Download published data sets from their authors' servers: resumed, checked, unpacked."""

from __future__ import annotations

import hashlib
import urllib.request
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

from tqdm import tqdm

from model.data.source import DatasetError

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class RemoteFile:
    """A zip archive on a server."""

    url: str
    md5: str | None = None
    """None where nobody publishes one: then the archive's own checksums are all there is."""

    @property
    def name(self) -> str:
        """The name of its file on disk."""
        return self.url.rpartition("/")[2]


_COCO = "http://images.cocodataset.org"
DATASETS = {
    "coco-val2017": (
        RemoteFile(f"{_COCO}/annotations/annotations_trainval2017.zip", "f4bbac642086de4f52a3fdda2de5fa2c"),
        RemoteFile(f"{_COCO}/zips/val2017.zip", "442b8da7639aecaf257c1dceb8ba8c80"),
    ),
    "coco-karpathy": (
        RemoteFile("https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip"),
        RemoteFile(f"{_COCO}/zips/val2014.zip", "a3d79f5ed8d289b7a7554ce06a5782b3"),
        RemoteFile(f"{_COCO}/zips/train2014.zip", "0da8cfa0e090c266b78f30e2d2874f1a"),
    ),
}


def download_files(files: Sequence[RemoteFile], output: Path, *, progress: bool = True) -> None:
    """Fetch `files` into folder `output` and unpack them there. What is there already is not fetched again.

    Raises DatasetError when a server cannot be reached or a file is not the one that was published; what has
    arrived is kept, and the next call goes on from there.
    """
    output.mkdir(parents=True, exist_ok=True)
    for file in files:
        path = output / file.name
        if not path.exists():
            _fetch(file, path, progress)
        _unpack(path, output, progress)


def _fetch(file: RemoteFile, path: Path, progress: bool) -> None:
    partial = path.with_name(path.name + ".partial")
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(file.url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            if answer.status != HTTPStatus.PARTIAL_CONTENT:
                have = 0  # this server sends all or nothing
            total = have + int(answer.headers.get("Content-Length", 0))
            with (
                partial.open("ab" if have else "wb") as target,
                tqdm(
                    desc=file.name, total=total or None, initial=have, unit="B", unit_scale=True, disable=not progress
                ) as bar,
            ):
                while chunk := answer.read(_CHUNK_BYTES):
                    target.write(chunk)
                    bar.update(len(chunk))
        if partial.stat().st_size < total:
            raise ConnectionError("the connection broke off")  # which urllib passes over in silence
    except HTTPError as error:
        error.close()
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:  # it had arrived whole, unchecked
            raise DatasetError(f"{file.url} cannot be fetched: {error}") from error
    except (OSError, HTTPException) as error:  # URLError, time-outs and broken connections
        raise DatasetError(f"{file.url} cannot be fetched: {error}. The same command goes on from here.") from error
    if not _is_as_published(partial, file):
        partial.unlink()
        raise DatasetError(f"{file.url}: what arrived is not the file that was published, and is deleted. Try again.")
    partial.replace(path)


def _is_as_published(path: Path, file: RemoteFile) -> bool:
    if file.md5 is None:
        return zipfile.is_zipfile(path)
    with path.open("rb") as arrived:
        return hashlib.file_digest(arrived, "md5").hexdigest() == file.md5


def _unpack(path: Path, output: Path, progress: bool) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in tqdm(archive.infolist(), desc=f"unpack {path.name}", unit="file", disable=not progress):
                target = output / member.filename
                if not (target.is_file() and target.stat().st_size == member.file_size):
                    archive.extract(member, output)
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} cannot be unpacked: {error}. Delete it and try again.") from error
