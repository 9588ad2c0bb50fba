"""The report of an evaluation as tables: text for a terminal, Markdown for a paper or a model card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.metrics import RECALL_AT

_DIRECTIONS = {"text_to_image": "text to image", "image_to_text": "image to text"}
_PARTS = {
    "similarity": "similarity",
    "hubness": "+ hubness",
    "detectors": "+ word detectors",
    "joint": "+ joint pass",
}
_RECALLS = {f"r@{k}": f"R@{k}" for k in RECALL_AT}


@dataclass(frozen=True)
class Table:
    """A title, the names of the columns, rows of cells, and notes."""

    title: str
    words: int
    """The number of leading columns that hold words; all others hold numbers."""
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def text(self) -> str:
        """For a terminal."""
        lines = [self.columns, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        cells = [
            [
                cell.ljust(width) if column < self.words else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            for line in lines
        ]
        return "\n".join([self.title, *(f"  {'  '.join(line)}".rstrip() for line in cells), *self.notes])

    def markdown(self) -> str:
        """As Markdown."""
        rule = ["---" if column < self.words else "---:" for column in range(len(self.columns))]
        rows = [f"| {' | '.join(line)} |" for line in (self.columns, rule, *self.rows)]
        return "\n\n".join([f"**{self.title}**", "\n".join(rows), *self.notes])


def text(report: dict[str, Any]) -> str:
    """The report of `evaluate_shards` for a terminal."""
    return "\n\n".join([_summary(report), *(table.text() for table in _tables(report)), _seconds(report)])


def markdown(report: dict[str, Any]) -> str:
    """The report of `evaluate_shards` as Markdown."""
    return "\n\n".join([_summary(report), *(table.markdown() for table in _tables(report)), _seconds(report)])


def judgement_text(report: dict[str, Any]) -> str:
    """The report of `evaluate_judgements` for a terminal."""
    return "\n\n".join(
        [_judgement_summary(report), *(table.text() for table in _judgement_tables(report["judgements"]))]
    )


def judgement_markdown(report: dict[str, Any]) -> str:
    """The report of `evaluate_judgements` as Markdown."""
    tables = _judgement_tables(report["judgements"])
    return "\n\n".join([_judgement_summary(report), *(table.markdown() for table in tables)])


def _judgement_summary(report: dict[str, Any]) -> str:
    figures = report["judgements"]
    own, fit_own = figures["mean_match_own"], figures["mean_fit_own"]
    lines = [
        f"{report['weights']} against {figures['pairs']:,} judgements by people of {figures['photos']:,} photos: split "
        f"{report['split']} of {', '.join(report['data'])}.",
        f"Expected calibration error {figures['ece']:.3f}, Brier {figures['brier']:.3f} "
        f"(of a constant {figures['brier_constant']:.3f}).",
    ]
    if own is not None:
        lines.append(f"Sentences written about the photo: mean match {own:.2f}, people say {fit_own:.2f}.")
    return " ".join(lines)


def _judgement_tables(figures: dict[str, Any]) -> Iterator[Table]:
    yield Table(
        "How often a pair that fits is above one that does not (AUC; 0.5 is chance)",
        1,
        ["ordered by", "all pairs", "sentences about other photos"],
        [[name, *(_optional(by[figure]) for figure in ("auc", "auc_other"))] for name, by in figures["by"].items()],
    )
    for name, by in figures["by"].items():
        yield Table(
            f"Bins of equally many pairs, ordered by {name}",
            0,
            [*([] if name == "match" else [name]), "mean match %", "people who say that it fits %", "pairs"],
            [
                [
                    *([] if name == "match" else [f"{row['measure']:.2f}"]),
                    f"{100 * row['match']:.1f}",
                    f"{100 * row['fit']:.1f}",
                    f"{row['pairs']:,}",
                ]
                for row in by["bins"]
            ],
        )


def _optional(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.3f}"


def _summary(report: dict[str, Any]) -> str:
    used, available = report["captions"], report["captions_in_shards"]
    captions = f"{used:,} captions" if used == available else f"{used:,} of their {available:,} captions"
    return (
        f"{report['weights']} on {report['photos']:,} photos with {captions}: split {report['split']} of "
        f"{', '.join(report['data'])}. Recall is in percent. Ties count against the model."
    )


def _seconds(report: dict[str, Any]) -> str:
    stages = ", ".join(f"{stage.replace('_', ' ')} {seconds:,.1f}" for stage, seconds in report["seconds"].items())
    return f"Seconds on {report['device']}: {stages}."


def _tables(report: dict[str, Any]) -> Iterator[Table]:
    depth = report["shortlist"]
    names = {
        "shortlist": "shortlist",
        "itm": f"ITM of {depth}",
        "words": f"words of {depth}",
        "rerank": f"rerank of {depth}",
    }
    gains = _both({way: _interval(report[way]["rerank_gain_r@1"]) for way in _DIRECTIONS})
    yield _recalls(
        f"All {report['photos']:,} photos",
        report,
        names,
        "shortlist: similarity, hubness and word detectors in one inner product. ITM, words, rerank: its first "
        "candidates ranked by the ITM logit, by word detectors, or by the score that a search ranks by. in shortlist: "
        "how often a right answer is among them, the ceiling of a rerank.",
        f"What the rerank of {depth} adds to R@1, with its 95 % interval (paired bootstrap over photos): {gains}.",
    )
    yield _parts({way: report[way]["parts"] for way in _DIRECTIONS}, depth)
    galleries = {f"all {report['photos']:,}": report}
    if "folds" in report:
        folds = report["folds"]
        size = f"{folds['photos']:,} photos"
        galleries[f"folds of {folds['photos']:,}"] = folds
        yield _recalls(f"Mean of {folds['count']} folds, consecutive blocks of {size}", folds, names)
    if "exhaustive" in report:
        exhaustive = report["exhaustive"]
        yield _recalls(
            f"Exhaustive, on the first {exhaustive['photos']:,} photos and their {exhaustive['captions']:,} captions",
            exhaustive,
            {"shortlist": "shortlist", "itm": "ITM of all", "words": "words of all", "rerank": "rerank of all"},
            f"All {exhaustive['pairs']:,} pairs, each scored once for both directions, took "
            f"{exhaustive['seconds']:,.1f} s.",
        )
    if "eccv" in report:
        yield _eccv(report["eccv"], names)
    if "against" in report:
        yield _differences(report["against"], names, depth)
    yield _match(galleries)
    yield _reliability(report["match"]["bins"])
    if "absence" in report:
        yield _absence(report["absence"])
    if "hubs" in report:
        yield _hubs(report["hubs"])
    if "hard_negatives" in report:
        yield _hard_negatives(report["hard_negatives"])


def _recalls(title: str, report: dict[str, Any], names: Mapping[str, str], *notes: str) -> Table:
    """Both directions by every ranking of `report`, shallow reranks first."""
    rows = []
    for way, direction in _DIRECTIONS.items():
        for name in report["rsum"]:
            figures = report[way][name]
            rows.append(
                [
                    direction,
                    names.get(name, name.replace("@", " of ")),
                    *(f"{figures[recall]:.1f}" for recall in _RECALLS),
                    f"{figures['median_rank']:g}",
                    f"{figures['in_shortlist']:.1f}" if "in_shortlist" in figures else "",
                    f"{figures['pairs']:,}",
                ]
            )
    rsum = ", ".join(
        f"{names.get(name, name.replace('@', ' of '))} {total:.1f}" for name, total in report["rsum"].items()
    )
    return Table(
        title,
        2,
        ["direction", "ranked by", *_RECALLS.values(), "median rank", "in shortlist", "pairs"],
        rows,
        [f"rsum, the sum of the six recalls: {rsum}.", *notes],
    )


def _parts(parts: Mapping[str, dict[str, Any]], depth: int) -> Table:
    """The gain of each part of the score, in both directions."""
    return Table(
        f"What each part of the score adds: {depth} candidates ranked by the parts so far",
        2,
        ["direction", "ranked by", *(column for recall in _RECALLS.values() for column in (recall, "gain"))],
        [
            [direction, _PARTS[part], *(cell for recall in _RECALLS for cell in _recall_and_gain(figures, recall))]
            for way, direction in _DIRECTIONS.items()
            for part, figures in parts[way].items()
        ],
        [
            "similarity and hubness rank all candidates, the rows below those of the shortlist. gain: over the row "
            "above, in points, with its 95 % interval (paired bootstrap over photos)."
        ],
    )


def _recall_and_gain(figures: Mapping[str, Any], recall: str) -> tuple[str, str]:
    return f"{figures[recall]:.1f}", _interval(figures["gain"][recall]) if "gain" in figures else ""


def _match(galleries: Mapping[str, dict[str, Any]]) -> Table:
    rows = [
        [
            photos,
            f"{quality['first_hits']:,}",
            f"{quality['right']:.1f}",
            *(f"{quality[figure]:.3f}" for figure in ("auroc", "ece", "brier", "brier_constant")),
        ]
        for photos, quality in ((photos, figures["match"]) for photos, figures in galleries.items())
    ]
    return Table(
        "Reliability of the match of the first hit, where half of the sentences have had their photo removed",
        1,
        ["photos", "first hits", "right %", "AUROC", "ECE", "Brier", "Brier of a constant"],
        rows,
    )


def _reliability(bins: Sequence[dict[str, float]]) -> Table:
    return Table(
        "The same first hits in bins by their match",
        0,
        ["mean match %", "right %", "first hits"],
        [[f"{row['match']:.1f}", f"{row['right']:.1f}", f"{row['hits']:,}"] for row in bins],
    )


def _absence(report: dict[str, Any]) -> Table:
    called = report["called_absent"]
    return Table(
        "Short queries for what no caption names, beside as many for what some caption does",
        0,
        ["queries of each", "AUROC of the match", "of the evidence", "absent, called so %", "present, called absent %"],
        [
            [
                f"{report['queries']:,}",
                *(f"{report[name]:.3f}" for name in ("auroc", "auroc_evidence")),
                *(f"{called[kind]:.1f}" for kind in ("absent", "present")),
            ]
        ],
    )


def _hubs(report: dict[str, Any]) -> Table:
    kinds = ", ".join(f"{count} {kind}" for kind, count in report["kinds"].items())
    return Table(
        f"{report['queries']:,} captions, {report['photos']:,} photos, and {report['drawn']} images that are no photos",
        0,
        ["searches with one in the first ten", "such hits"],
        [[f"{report['searches']:,}", f"{report['hits']:,}"]],
        [f"Of which kind: {kinds}."] if kinds else [],
    )


def _hard_negatives(report: dict[str, Any]) -> Table:
    return Table(
        "How often a caption scores above one that differs in a word or two, in percent; chance is 50",
        1,
        ["what differs", "cases", "similarity", "ITM", "rerank"],
        [
            [kind, f"{figures['cases']:,}", *(f"{figures[name]:.1f}" for name in ("similarity", "itm", "rerank"))]
            for kind, figures in {"all": report, **report["kinds"]}.items()
        ],
    )


def _eccv(report: dict[str, Any], names: Mapping[str, str]) -> Table:
    columns = {
        "eccv_map_at_r": "ECCV mAP@R",
        "eccv_rprecision": "ECCV R-Precision",
        "eccv_r1": "ECCV R@1",
        **{f"cxc_r{k}": f"CxC R@{k}" for k in RECALL_AT},
    }
    captions, photos = (report[way] for way in _DIRECTIONS)
    return Table(
        "ECCV Caption and CxC, which list more right answers than COCO's own pairs",
        2,
        ["direction", "ranked by", *columns.values()],
        [
            [direction, label, *(f"{report[way][name][figure]:.1f}" for figure in columns)]
            for way, direction in _DIRECTIONS.items()
            for name, label in names.items()
            if name in report[way]
        ],
        [
            f"Queries of ECCV Caption: {captions['eccv_queries']:,} captions and {photos['eccv_queries']:,} photos. "
            f"Queries of CxC: {captions['cxc_queries']:,} and {photos['cxc_queries']:,}."
        ],
    )


def _differences(against: dict[str, Any], names: Mapping[str, str], depth: int) -> Table:
    other = against["shortlist"]
    return Table(
        f"Difference to {against['file']} in points, with its 95 % interval (paired bootstrap over photos)",
        2,
        ["direction", "ranked by", *_RECALLS.values()],
        [
            [direction, names[name], *(_interval(figures[recall]) for recall in _RECALLS)]
            for way, direction in _DIRECTIONS.items()
            for name, figures in against[way].items()
        ],
        [f"The other run reranked {other} candidates, this one {depth}."] if other != depth else [],
    )


def _both(cells: Mapping[str, str]) -> str:
    return ", ".join(f"{_DIRECTIONS[way]} {cell}" for way, cell in cells.items())


def _interval(gain: Mapping[str, float]) -> str:
    return f"{gain['gain']:+.1f} [{gain['low']:+.1f}, {gain['high']:+.1f}]"
