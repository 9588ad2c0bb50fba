"""The parameters of the score: `pixelseek model calibrate` fits them together, and keeps them beside the weights.

They lie in the folder `scoring` of a folder of weights:

- `calibration.json`: the numbers of the calibration and of the rule for what is absent, and a stamp;
- `querybank.npy`, `word_detectors.npz`, `projection.npz`, `photo_space.npz` and `vocabulary.txt`, where there are any.

The folder is replaced as a whole. The stamp names the generation of the weights that the parameters were fitted for,
and holds a digest of each other file: so parameters of other weights, and files of two fits, are refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from model.atomic import replacing_folder, whole_folder
from model.scoring.absence import AbsenceRule
from model.scoring.calibration import Calibration
from model.scoring.photo_space import PhotoSpace
from model.scoring.projection import Projection
from model.scoring.querybank import Querybank
from model.scoring.vocabulary import Vocabulary
from model.scoring.word_detectors import WordDetectors
from model.weights import WeightsError

_Part = TypeVar("_Part", Querybank, WordDetectors, Projection, PhotoSpace, Vocabulary)

FOLDER = "scoring"
CALIBRATION, QUERYBANK, DETECTORS = "calibration.json", "querybank.npy", "word_detectors.npz"
PROJECTION, PHOTO_SPACE, VOCABULARY = "projection.npz", "photo_space.npz", "vocabulary.txt"
_FILES = (QUERYBANK, DETECTORS, PROJECTION, PHOTO_SPACE, VOCABULARY)
_STAMP, _WEIGHTS, _ABSENCE = "stamp", "weights", "absence"
_FORMER_FILES = ("calibration.json", "querybank.npy", "word_evidence.npz")  # beside the weights, in no folder
_MALFORMED = (
    *(AttributeError, EOFError, KeyError, OSError, RecursionError, TypeError, ValueError),
    *(zipfile.BadZipFile, zlib.error),
)
_MAX_BYTES = 256 << 20
_TRIES, _PAUSE_S = 5, 0.1


class _Torn(WeightsError):  # noqa: N818
    """Files of two fits, perhaps because the folder is being replaced at this moment."""


@dataclass(frozen=True)
class ScoringParameters:
    """What was fitted to one network; neutral parts where nothing was."""

    calibration: Calibration = field(default_factory=Calibration)
    querybank: Querybank = field(default_factory=Querybank)
    detectors: WordDetectors = field(default_factory=WordDetectors)
    projection: Projection = field(default_factory=Projection)
    photo_space: PhotoSpace = field(default_factory=PhotoSpace)
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    absence: AbsenceRule = field(default_factory=AbsenceRule)

    @classmethod
    def load(cls, weights: Path, generation: str) -> ScoringParameters:
        """Those in the folder `weights`, whose generation is given.

        Raises WeightsError when they cannot be read, or were fitted for other weights, or not together.
        """
        for _ in range(_TRIES):
            try:
                return cls._read(weights, generation)
            except _Torn:  # once a writer has replaced the folder, they are whole again
                time.sleep(_PAUSE_S)
        return cls._read(weights, generation)

    @classmethod
    def _read(cls, weights: Path, generation: str) -> ScoringParameters:
        remedy = f"Make them anew: `pixelseek model calibrate --weights {shlex.quote(str(weights))} --data SHARD`"
        folder = whole_folder(weights / FOLDER)
        if folder is None:
            for name in _FORMER_FILES:
                if (weights / name).exists():
                    raise WeightsError(f"{weights / name} was made by an older Pixelseek. {remedy}")
            return cls()
        files = {}
        for name in (CALIBRATION, *_FILES):
            with suppress(FileNotFoundError), _readable(folder / name, remedy):
                files[name] = _content(folder / name)
        if CALIBRATION not in files:
            raise _Torn(f"{folder / CALIBRATION} is missing. {remedy}")
        with _readable(folder / CALIBRATION, remedy):
            numbers = json.loads(files[CALIBRATION])
            stamp = numbers.pop(_STAMP)
            absence = AbsenceRule.of(numbers.pop(_ABSENCE, {}))
            calibration = Calibration.of(numbers)
            generation_of_fit = stamp[_WEIGHTS]
            digests = {name: stamp[name] for name in (QUERYBANK, DETECTORS)}
            digests |= {name: stamp.get(name) for name in _FILES if name not in digests}  # there were none once
        for name, digest in digests.items():
            if digest != (_digest(files[name]) if name in files else None):
                raise _Torn(f"{folder / name} and {CALIBRATION} were not fitted together. {remedy}")
        if generation_of_fit != generation:
            raise WeightsError(f"{folder} was fitted for other weights than those beside it. {remedy}")

        def part(name: str, kind: type[_Part]) -> _Part:
            if name not in files:
                return kind()
            with _readable(weights / FOLDER / name, remedy):
                return kind.read(io.BytesIO(files[name]))

        detectors, projection = part(DETECTORS, WordDetectors), part(PROJECTION, Projection)
        if projection.width and len(projection.centre) != detectors.weights.shape[1]:
            raise WeightsError(
                f"{folder / PROJECTION} cannot be read: the word detectors read other features. {remedy}"
            )
        return cls(
            calibration,
            part(QUERYBANK, Querybank),
            detectors,
            projection,
            part(PHOTO_SPACE, PhotoSpace),
            part(VOCABULARY, Vocabulary),
            absence,
        )

    def save(self, weights: Path, generation: str) -> None:
        """Write them into the folder `weights`, whose generation is given, in the place of any that lie there."""
        with replacing_folder(weights / FOLDER) as folder:
            stamp: dict[str, str | None] = dict.fromkeys(_FILES)
            stamp[_WEIGHTS] = generation
            for name, part, fitted in (
                (QUERYBANK, self.querybank, len(self.querybank.embeddings)),
                (DETECTORS, self.detectors, len(self.detectors.ids)),
                (PROJECTION, self.projection, self.projection.width and len(self.detectors.ids)),
                (PHOTO_SPACE, self.photo_space, len(self.photo_space.centre)),
                (VOCABULARY, self.vocabulary, len(self.vocabulary.photos)),
            ):
                if fitted:
                    with (folder / name).open("wb") as file:
                        part.write(file)
                    stamp[name] = _digest((folder / name).read_bytes())
            settings = {**asdict(self.calibration), _ABSENCE: asdict(self.absence), _STAMP: stamp}
            (folder / CALIBRATION).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _readable(path: Path, remedy: str) -> Iterator[None]:
    """Name the file and the remedy where its content is not what it must be."""
    try:
        yield
    except FileNotFoundError:
        raise
    except _MALFORMED as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise WeightsError(f"{path} cannot be read: {reason}. {remedy}") from error


def _content(path: Path) -> bytes:
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"{path.stat().st_size:,} bytes are more than any such file has")
    return path.read_bytes()


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()
