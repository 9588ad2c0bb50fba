"""Pictures of figures, as files. Drawn by matplotlib, which is imported only for that."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.atomic import replacing
from model.errors import PixelseekError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INCHES, _DOTS_PER_INCH = 4.5, 150


class PictureError(PixelseekError):
    """A picture that cannot be drawn; the message says why and what to do."""


def require_matplotlib() -> None:
    """Raise PictureError unless pictures can be drawn: ask before a long computation, not after it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise PictureError("drawing needs a package: pip install matplotlib") from error


def reliability_diagram(bins: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the bins of `model.scoring.match_quality.match_quality` as a PNG: share of right hits over their mean match.

    Points below the diagonal promise too much. Raises PictureError without matplotlib.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_INCHES, _INCHES), layout="constrained")
    axes = figure.subplots()
    _draw_reliability(axes, [bin_["match"] for bin_ in bins], [bin_["right"] for bin_ in bins], "first hits")
    axes.set_xlabel("match of the first hit, %")
    axes.set_ylabel("of these, the right photo, %")
    axes.set_title(f"{sum(bin_['hits'] for bin_ in bins):,} first hits in {len(bins)} bins of equally many")
    _save(figure, path)


def judgement_diagrams(by_measure: Mapping[str, dict[str, Any]], path: Path) -> None:
    """Draw the bins of `model.evaluation.judgements.measure` as a PNG: what people say, and the match, by each measure.

    Raises PictureError without matplotlib.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(len(by_measure) * _INCHES, _INCHES), layout="constrained")
    for axes, (name, figures) in zip(figure.subplots(1, len(by_measure)), by_measure.items(), strict=True):
        bins = figures["bins"]
        fit = [100 * bin_["fit"] for bin_ in bins]
        if name == "match":
            _draw_reliability(axes, [100 * bin_["match"] for bin_ in bins], fit, "pairs")
        else:
            measure = [bin_["measure"] for bin_ in bins]
            axes.plot(measure, [100 * bin_["match"] for bin_ in bins], linestyle="--", color="0.6", label="match")
            axes.plot(measure, fit, marker="o", label="people who say that it fits")
            axes.set(ylim=(0, 100))
            axes.legend(loc="upper left")
        axes.set_xlabel("match, %" if name == "match" else name)
        axes.set_ylabel("people who say that it fits, %")
    _save(figure, path)


def _draw_reliability(axes: Axes, match: Sequence[float], outcome: Sequence[float], label: str) -> None:
    axes.plot((0, 100), (0, 100), linestyle="--", color="0.6", label="as promised")
    axes.plot(match, outcome, marker="o", clip_on=False, label=label)
    axes.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    axes.legend(loc="upper left")


def curves(log: Path, path: Path) -> None:
    """Draw what a training run has logged in `log` (JSON Lines) as a PNG: losses, and recall on the dev photos.

    Raises PictureError without matplotlib.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    losses: dict[str, list[tuple[int, float]]] = defaultdict(list)
    recalls: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for record in records:
        for name in record.keys() - {"step", "epoch", "seconds", "dev", "score"}:
            losses[name].append((record["step"], record[name]))
        for dataset, rankings in record.get("dev", {}).items():
            for ranking in ("shortlist", "rerank"):
                recalls[f"{dataset}, {ranking}"].append((record["step"], rankings[ranking]["r@1"]))
    figure = Figure(figsize=(2.2 * _INCHES, _INCHES), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, lines, label in ((left, losses, "loss"), (right, recalls, "dev recall@1, %")):
        for name, points in sorted(lines.items()):
            axes.plot(*zip(*points, strict=True), marker="." if len(points) < 50 else "", label=name)
        axes.set_xlabel("step")
        axes.set_ylabel(label)
        axes.set_ylim(0, 100 if axes is right else None)
        if lines:
            axes.legend()
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    """Write `figure` to `path`, whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    with replacing(path) as new:
        figure.savefig(new, format="png", dpi=_DOTS_PER_INCH)
