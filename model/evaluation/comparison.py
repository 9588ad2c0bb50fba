"""Compare two runs on the same queries: the differences of their recalls, with confidence intervals."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.atomic import replacing
from model.data.shards import CaptionedPhoto
from model.errors import PixelseekError
from model.evaluation.rankings import Rankings
from model.metrics import RECALL_AT, recall_gain
from model.scoring.collection import DIRECTIONS, Direction

_RANKINGS = ("shortlist", "itm", "rerank")


class ComparisonError(PixelseekError):
    """Ranks that cannot be read, or belong to other queries; the message names the file and the remedy."""


@dataclass(frozen=True)
class KeptRanks:
    """The ranks of every query of a run, and digests of its photos and captions."""

    keys: NDArray[np.str_]  # (N,), of the photos, in their order
    captions: NDArray[np.str_]  # (N,), a digest of those of each photo
    shortlist: int
    """How many candidates were reranked."""
    ranks: dict[Direction, dict[str, NDArray[np.int64]]]
    """Of `shortlist`, `itm` and `rerank`, each (Q,)."""

    @classmethod
    def of(cls, photos: Sequence[CaptionedPhoto], shortlist: int, rankings: Mapping[Direction, Rankings]) -> KeptRanks:
        """Those of a run on `photos`."""
        return cls(
            np.array([photo.key for photo in photos]),
            _digests(photos),
            shortlist,
            {way: {name: ranking.ranks[name] for name in _RANKINGS} for way, ranking in rankings.items()},
        )

    def save(self, path: Path) -> None:
        """Write them to `path` (.npz) atomically."""
        tables = {f"{way}/{name}": ranks for way, by_name in self.ranks.items() for name, ranks in by_name.items()}
        with replacing(path) as new, new.open("wb") as file:
            np.savez_compressed(
                file,
                allow_pickle=False,
                keys=self.keys,
                captions=self.captions,
                shortlist=np.array(self.shortlist),
                **tables,
            )

    @classmethod
    def load(cls, path: Path, photos: Sequence[CaptionedPhoto]) -> KeptRanks:
        """Read what `save` wrote. Raises ComparisonError unless it is about `photos` with their captions, in order."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as tables:
                ranks = {way: {name: tables[f"{way}/{name}"] for name in _RANKINGS} for way in DIRECTIONS}
                kept = cls(tables["keys"], tables["captions"], int(tables["shortlist"]), ranks)
        except (AttributeError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise ComparisonError(
                f"{path} does not hold the ranks of a run: pixelseek model evaluate --ranks FILE keeps them"
            ) from error
        keys, captions = np.array([photo.key for photo in photos]), _digests(photos)
        if len(keys) != len(kept.keys):
            difference = f"{len(kept.keys):,} photos, not these {len(keys):,}"
        elif (rows := np.flatnonzero(keys != kept.keys)).size:
            difference = f"other photos: the first that differs is {kept.keys[rows[0]]}, here {keys[rows[0]]}"
        elif (rows := np.flatnonzero(captions != kept.captions)).size:
            difference = f"other captions of {rows.size:,} photos, {keys[rows[0]]} the first"
        else:
            return kept
        raise ComparisonError(
            f"{path} is about {difference}. Two runs can only be compared on the same photos and captions: "
            "name the same --data, --split and --captions"
        )


def differences(before: KeptRanks, after: Mapping[Direction, Rankings]) -> dict[str, Any]:
    """Recall@1, @5 and @10 of run `after` minus that of `before`, in points with 95 % intervals.

    For each direction, by similarity, by ITM alone and by the score of the rerank. See `recall_gain`.
    """
    return {
        way: {
            name: {
                f"r@{k}": recall_gain(before.ranks[way][name], rankings.ranks[name], rankings.photos, k)
                for k in RECALL_AT
            }
            for name in _RANKINGS
        }
        for way, rankings in after.items()
    }


def _digests(photos: Sequence[CaptionedPhoto]) -> NDArray[np.str_]:
    return np.array(
        [hashlib.blake2b("\n".join(photo.captions).encode(), digest_size=8).hexdigest() for photo in photos]
    )
