"""What the tests of this layer work with: a folder of photos, a library, a runtime that sees colours."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from indexer.indexing import IndexReport, index_folders
from indexer.library.database import open_database
from indexer.library.opening import catalog_url
from indexer.library.photo_vectors import PhotoVectors
from indexer.library.view import LibraryView
from tests.indexer.colour_runtime import COLOURS, GENERATION, ColourRuntime, colour_processor


def paint(path: Path, colour: str, *, size: tuple[int, int] = (40, 30)) -> Path:
    """A photo of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, COLOURS[colour]).save(path)
    return path


def scribble(path: Path, seed: int, *, size: tuple[int, int] = (40, 30)) -> Path:
    """A photo unlike any of another seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.random.default_rng(seed).integers(0, 256, size=(3, 4, 3), dtype=np.uint8)
    Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).save(path)
    return path


@dataclass
class Desk:
    photos: Path
    library: Path
    runtime: ColourRuntime = field(default_factory=ColourRuntime)
    photo_vectors: PhotoVectors | None = None

    def open(self, *, generation: str = GENERATION, create: bool = True) -> LibraryView:
        return LibraryView.open(self.library, generation=generation, photo_vectors=self.photo_vectors, create=create)

    def index(
        self,
        *folders: Path,
        generation: str = GENERATION,
        exclude: Sequence[str] | None = None,
        include: Sequence[str] | None = None,
        newer_allowed: int = 0,
    ) -> IndexReport:
        with self.open(generation=generation) as library:
            return index_folders(
                library,
                folders or [self.photos],
                processor=colour_processor(),
                load_runtime=lambda: self.runtime,
                workers=1,
                exclude=exclude,
                include=include,
                newer_allowed=newer_allowed,
            )

    def search(self, sentence: str, count: int = 10) -> list[str]:
        """Names of the photos found."""
        with self.open() as library:
            ids, _ = library.shortlist(self.runtime.encode_text([sentence]).embeddings[0], count)
            return [Path(photo.path).name for photo in library.photos(ids.tolist())]

    def execute(self, statement: str) -> None:
        """Change the catalog behind Pixelseek's back."""
        with closing(open_database(catalog_url(self.library), remedy="")) as catalog, catalog.begin() as connection:
            connection.exec_driver_sql(statement)
