"""The parameters of the score: `pixelseek model calibrate` fits them together, and keeps them beside the weights."""

from __future__ import annotations

import hashlib
import json
import shlex
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from model.atomic import replacing
from model.scoring import calibration, querybank, word_detectors
from model.scoring.calibration import Calibration
from model.scoring.querybank import Querybank
from model.scoring.word_detectors import WordDetectors
from model.weights import WeightsError, read_json

_WEIGHTS, *_others = calibration.STAMPS
_COMPANIONS = dict(zip(_others, (querybank.FILE, word_detectors.FILE), strict=True))
_TRIES, _PAUSE_S = 5, 0.1


class _Torn(WeightsError):  # noqa: N818
    """Files that were not fitted together, perhaps because somebody is writing them at this moment."""


@dataclass(frozen=True)
class ScoringParameters:
    """Calibration, querybank and word detectors of one network; neutral ones where none were fitted.

    `calibration.json` says to which weights all three belong, and which files of the other two were fitted with it.
    """

    calibration: Calibration = field(default_factory=Calibration)
    querybank: Querybank = field(default_factory=Querybank)
    detectors: WordDetectors = field(default_factory=WordDetectors)

    @classmethod
    def load(cls, weights: Path, generation: str) -> ScoringParameters:
        """Those in folder `weights`, whose generation is given.

        Raises WeightsError when they cannot be read, were fitted for other weights, or not together.
        """
        for _ in range(_TRIES):
            try:
                return cls._read(weights, generation)
            except _Torn:  # a writer may be between the first file and the last
                time.sleep(_PAUSE_S)
        return cls._read(weights, generation)

    @classmethod
    def _read(cls, weights: Path, generation: str) -> ScoringParameters:
        path, remedy = weights / calibration.FILE, _remedy(weights)
        if not path.exists():
            for name in _COMPANIONS.values():
                if (weights / name).exists():
                    raise _Torn(f"{weights / name} lies there without {calibration.FILE}. {remedy}")
            return cls()
        stamps = read_json(path)
        fitted = cls(Calibration.load(weights), Querybank.load(weights), WordDetectors.load(weights))
        if stamps.get(_WEIGHTS) is None:
            raise WeightsError(f"{path} was made by an older Pixelseek, and does not say for which weights. {remedy}")
        if stamps[_WEIGHTS] != generation:
            raise WeightsError(f"{path} was fitted for other weights than those beside it. {remedy}")
        for name, file in _COMPANIONS.items():  # after they were read: they may have been replaced meanwhile
            if _digest(weights / file) != stamps.get(name):
                raise _Torn(f"{weights / file} and {calibration.FILE} were not fitted together. {remedy}")
        return fitted

    def save(self, weights: Path, generation: str) -> None:
        """Write them into folder `weights`, whose generation is given, in the place of any that lie there.

        The calibration comes last: until then the others are refused as fitted for another.
        """
        self._place(weights / querybank.FILE, self.querybank.save if len(self.querybank.embeddings) else None)
        self._place(weights / word_detectors.FILE, self.detectors.save if len(self.detectors.ids) else None)
        stamps = {name: _digest(weights / file) for name, file in _COMPANIONS.items()}
        with replacing(weights / calibration.FILE) as new:
            settings = {**asdict(self.calibration), _WEIGHTS: generation, **stamps}
            new.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def _place(path: Path, save: Callable[[Path], None] | None) -> None:
        if save is None:
            path.unlink(missing_ok=True)
        else:
            save(path.parent)


def _digest(path: Path) -> str | None:
    """Of the bytes of a file; None where there is none."""
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
    except FileNotFoundError:
        return None


def _remedy(weights: Path) -> str:
    return f"Make all three anew: `pixelseek model calibrate --weights {shlex.quote(str(weights))} --data SHARD`"
