"""What only object storage has: a server that goes away and comes back, buckets, and keys to them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.library.errors import FilesUnreachable
from indexer.library.verification import verify
from model.runtime.protocol import EncodedImages
from tests.indexer.colour_runtime import ColourRuntime
from tests.indexer.desk import Desk, scribble
from tests.indexer.object_server import ROOT, SECRET, Bucket, ObjectServer, keep_files_in, object_server

pytestmark = pytest.mark.scale
PHOTOS = 40
"""More than one batch."""
INDEX = "import sys, pathlib, tests.indexer.desk as of; of.Desk(*map(pathlib.Path, sys.argv[1:])).index()"


class Interrupted(ColourRuntime):
    """The server goes away while the second batch is encoded."""

    def __init__(self, server: ObjectServer) -> None:
        super().__init__()
        self._server = server

    def encode_image(self, images: Sequence[NDArray[np.uint8]]) -> EncodedImages:
        if self.photos_encoded:
            self._server.tell("stop")
        return super().encode_image(images)


@pytest.fixture
def bucket(s3: ObjectServer, tmp_path: Path) -> Bucket:
    return s3.new_bucket(f"photos-{abs(hash(tmp_path))}")


@pytest.fixture
def desk(bucket: Bucket, tmp_path: Path) -> Desk:
    keep_files_in(tmp_path / "library", bucket.url)
    for number in range(PHOTOS):
        scribble(tmp_path / "photos" / f"{number:02}.png", number)
    return Desk(tmp_path / "photos", tmp_path / "library")


def assert_whole(desk: Desk, bucket: Bucket, shards: int) -> None:
    with desk.open() as library:
        assert library.pixel_features(range(1, PHOTOS + 1)).keys() == set(range(1, PHOTOS + 1))
        assert verify(library) == []
    assert sum("/features/" in name for name in bucket.names()) == shards


def test_a_server_that_goes_away_while_photos_are_indexed_loses_nothing(desk: Desk, bucket: Bucket) -> None:
    desk.runtime = Interrupted(bucket.server)
    with pytest.raises(FilesUnreachable, match=f"{bucket.url} cannot be used: .*Is the server there"):
        desk.index()
    bucket.server.tell("start")
    desk.runtime = ColourRuntime()
    assert desk.index().encoded == PHOTOS - 32
    assert_whole(desk, bucket, 2)


def test_a_search_says_that_the_server_is_away_and_works_again_when_it_is_back(desk: Desk, bucket: Bucket) -> None:
    desk.index()
    with desk.open() as library:
        assert library.pixel_features([1, 2]).keys() == {1, 2}
        bucket.server.tell("stop")
        with pytest.raises(FilesUnreachable, match=f"{bucket.url} cannot be used"):
            library.pixel_features([1, 2])
        assert library.pooled_features([1]).keys() == {1}, "these are in the folder"
        bucket.server.tell("start")
        assert library.pixel_features([1, 2]).keys() == {1, 2}


def test_an_indexing_that_is_killed_at_any_moment_goes_on_and_leaves_no_object_behind(
    desk: Desk, bucket: Bucket
) -> None:
    for tenths in (0, 1, 2, 4):
        run = subprocess.Popen([sys.executable, "-c", INDEX, str(desk.photos), str(desk.library)], cwd=ROOT)
        seen, end = len(bucket.names()), time.monotonic() + 60
        while run.poll() is None and len(bucket.names()) <= seen and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(tenths / 10)
        run.kill()
        run.wait()
    desk.index()
    with desk.open() as library, library.encodings.database.connect() as connection:
        noted = connection.exec_driver_sql("SELECT count(*) FROM shard WHERE is_settled").scalar_one()
        assert connection.exec_driver_sql("SELECT count(*) FROM shard").scalar_one() == noted
    assert_whole(desk, bucket, noted)


def test_a_killed_server_is_named_by_the_command_and_no_key_is_shown(desk: Desk) -> None:
    with object_server() as server:
        bucket = server.new_bucket("photos")
        keep_files_in(desk.library, bucket.url)
        server.kill()
        environment = dict(server.environment)
    run = subprocess.run(
        [sys.executable, "-c", INDEX, str(desk.photos), str(desk.library)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "FilesUnreachable: s3://photos/some/folder cannot be used" in run.stderr
    assert SECRET not in run.stderr


@pytest.mark.parametrize(
    ("fault", "message"),
    [("no bucket", "bucket does not exist"), ("no key", "Unable to locate credentials"), ("no kind", "nowhere")],
)
def test_what_is_wrong_with_a_place_is_said_before_anything_is_indexed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, fault: str, message: str
) -> None:
    url = {"no bucket": "s3://there-is-none/x", "no kind": "nowhere://photos/x"}.get(fault)
    if url is not None:
        keep_files_in(desk.library, url)
    else:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(desk.library / "none"))
    with pytest.raises(FilesUnreachable, match=message) as error:
        desk.index()
    assert SECRET not in str(error.value)
