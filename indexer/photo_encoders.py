"""Who reads photo files and encodes the photos: this machine, or others (`cluster`)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from indexer.decoding import Failure, ReadPhoto
from indexer.workers import ReadRequest, read_photos
from model.image_processor import PixelBertImageProcessor
from model.runtime.protocol import EncodedImages, Runtime

Content = TypeVar("Content")
"""What an encoder has of a photo between reading and storing it: pixels, or the encoding itself."""


class PhotoEncoder(Protocol[Content]):
    """Reads photo files and encodes the photos. It stores nothing."""

    def read(
        self, requests: Iterable[ReadRequest]
    ) -> Generator[tuple[int, ReadPhoto | Failure, Content | None], None, None]:
        """The number of each request, what `decoding.read_photo` says of the file, and the content of its photo.

        They come in any order, each once. There is no content where nothing was decoded. Close the generator to stop.
        """

    def encode(self, contents: Sequence[Content]) -> EncodedImages:
        """The encodings of photos."""


class LocalEncoder:
    """A `PhotoEncoder` on this machine: other processes decode, and this one encodes.

    `load_runtime` is called when the first photo has to be encoded. `workers` is the number of decoding processes.
    """

    def __init__(
        self, processor: PixelBertImageProcessor, load_runtime: Callable[[], Runtime], *, workers: int | None = None
    ) -> None:
        self._processor = processor
        self._runtime = functools.cache(load_runtime)
        self._workers = workers

    def read(
        self, requests: Iterable[ReadRequest]
    ) -> Generator[tuple[int, ReadPhoto | Failure, NDArray[np.uint8] | None], None, None]:
        """See `PhotoEncoder`."""
        with closing(read_photos(requests, self._processor, workers=self._workers)) as results:
            for number, read in enumerate(results):
                picture = read.picture if isinstance(read, ReadPhoto) else None
                yield number, read, None if picture is None else picture.pixels

    def encode(self, contents: Sequence[NDArray[np.uint8]]) -> EncodedImages:
        """See `PhotoEncoder`."""
        return self._runtime().encode_image(contents)
