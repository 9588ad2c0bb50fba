"""What `pixelseek model evaluate` prints and keeps."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from model.data.shards import CaptionedPhoto, write_shard
from tests.cli.commands import pixelseek
from tests.cli.test_errors import assert_fails
from tests.model.scenes import photos as scene_photos


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    photos = [replace(photo, captions=(*photo.captions, f"scene {row}")) for row, photo in enumerate(shown())]
    write_shard(tmp_path / "scenes.tar", photos)
    return tmp_path / "scenes.tar"


def shown() -> list[CaptionedPhoto]:
    return scene_photos(12, "test", 0)


@pytest.fixture
def options(shard: Path, weights: Path) -> list[str | Path]:
    return ["--data", shard, "--weights", weights, "--shortlist", "4", "--shortlist", "2", "--device", "cpu"]


def test_the_table_has_both_directions_and_every_depth(options: list[str | Path]) -> None:
    run = pixelseek("model", "evaluate", *options, "--captions", "1", "--fold", "6")
    assert run.exit_code == 0, run.stderr
    assert "on 12 photos with 12 of their 24 captions: split test of scenes.tar" in run.stdout
    rows = [line.split()[:6] for line in run.stdout.splitlines() if line.startswith("  text to image")]
    assert [" ".join(row[3:6]) for row in rows][1:4] == ["ITM of 4", "rerank of 2", "rerank of 4"]
    assert len(rows) == 10, "all photos, two parts of the score, and the mean of the folds"
    assert "Mean of 2 folds, consecutive blocks of 6 photos" in run.stdout


def test_markdown_holds_the_figures_of_the_json(options: list[str | Path]) -> None:
    report = json.loads(pixelseek("model", "evaluate", *options, "--json").stdout)
    tables = pixelseek("model", "evaluate", *options, "--markdown").stdout
    for way, direction in (("text_to_image", "text to image"), ("image_to_text", "image to text")):
        figures = report[way]["rerank@2"]
        cells = [direction, "rerank of 2", *(f"{figures[name]:.1f}" for name in ("r@1", "r@5", "r@10"))]
        cells += [f"{figures['median_rank']:g}", f"{figures['in_shortlist']:.1f}", f"{figures['pairs']}"]
        assert f"| {' | '.join(cells)} |" in tables
    for one in report["match"]["bins"]:
        assert f"| {one['match']:.1f} | {one['right']:.1f} | {one['hits']} |" in tables
    assert f"| swap_colour | 12 | {report['hard_negatives']['similarity']:.1f} |" in tables
    assert "| --- | --- | ---: |" in tables


@pytest.mark.parametrize("fold", [[], ["--fold", "1"]], ids=["all photos", "folds of one"])
def test_a_shortlist_of_one_is_measured_in_numbers_that_json_has(options: list[str | Path], fold: list[str]) -> None:
    options = [option for option in options if option not in ("--shortlist", "4", "2")]
    run = pixelseek("model", "evaluate", *options, "--shortlist", "1", *fold, "--json")
    assert run.exit_code == 0, run.stderr
    report = json.loads(run.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert 12 <= report["match"]["first_hits"] <= 24, "half of the sentences have their photo, the others perhaps none"


def test_one_format_at_a_time(options: list[str | Path]) -> None:
    assert_fails(pixelseek("model", "evaluate", *options, "--json", "--markdown"), "--json or --markdown", status=2)


def test_a_run_is_compared_with_the_one_that_kept_its_ranks(
    options: list[str | Path], other_weights: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "deeper" / "a.npz"
    assert "Difference" not in pixelseek("model", "evaluate", *options, "--ranks", kept).stdout
    run = pixelseek(
        "model", "evaluate", *options, "--weights", other_weights, "--shortlist", "6", "--against", kept, "--markdown"
    )
    assert run.exit_code == 0, run.stderr
    assert f"**Difference to {kept} in points" in run.stdout
    assert "The other run reranked 4 candidates, this one 6." in run.stdout


def test_another_run_on_other_captions_is_no_comparison(options: list[str | Path], tmp_path: Path) -> None:
    assert pixelseek("model", "evaluate", *options, "--ranks", tmp_path / "a.npz").exit_code == 0
    run = pixelseek("model", "evaluate", *options, "--captions", "1", "--against", tmp_path / "a.npz")
    assert_fails(run, f"{tmp_path / 'a.npz'} is about other captions of 12 photos", "--captions")
    run = pixelseek("model", "evaluate", *options, "--against", tmp_path / "none.npz")
    assert_fails(run, f"{tmp_path / 'none.npz'}: No such file")


def test_photos_that_are_not_cocos_cannot_be_judged_by_its_labels(options: list[str | Path]) -> None:
    assert_fails(pixelseek("model", "evaluate", *options, "--eccv"), "12 of 12 photos lack: import them anew")


def test_the_reliability_diagram_is_a_picture(options: list[str | Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run = pixelseek("model", "evaluate", *options, "--reliability", tmp_path / "new" / "match.png")
    assert run.exit_code == 0, run.stderr
    assert (tmp_path / "new" / "match.png").read_bytes().startswith(b"\x89PNG")


def test_a_missing_package_is_noticed_before_anything_is_computed(
    options: list[str | Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run = pixelseek(
        "model", "evaluate", *options, "--data", tmp_path / "none.tar", "--reliability", tmp_path / "match.png"
    )
    assert_fails(run, "pip install matplotlib")


def test_people_are_the_judges_of_a_match(options: list[str | Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    records = [
        {
            "key": photo.key,
            "sentence": other.captions[0],
            "fit": float(photo.key == other.key),
            "own": photo.key == other.key,
        }
        for photo in shown()
        for other in shown()[:3]
    ]
    judged, picture = tmp_path / "judged.jsonl", tmp_path / "people.png"
    judged.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    run = pixelseek("model", "evaluate", *options, "--judgements", judged, "--reliability", picture, "--json")
    assert run.exit_code == 0, run.stderr
    figures = json.loads(run.stdout)["judgements"]
    assert figures["pairs"] == 36
    assert {"auc", "auc_other", "ece", "brier", "mean_match_own", "mean_fit_own"} < figures.keys()
    assert picture.read_bytes().startswith(b"\x89PNG")
    tables = pixelseek("model", "evaluate", *options, "--judgements", judged)
    assert "against 36 judgements by people of 12 photos" in tables.stdout
    assert f"{figures['by']['joint']['auc']:.3f}" in tables.stdout
    assert (
        "| ordered by | all pairs |"
        in pixelseek("model", "evaluate", *options, "--judgements", judged, "--markdown").stdout
    )
    assert_fails(
        pixelseek("model", "evaluate", *options, "--judgements", tmp_path / "none.jsonl"), "none.jsonl cannot be read"
    )


def test_scripts_may_leave_out_the_group(options: list[str | Path]) -> None:
    ungrouped, grouped = (pixelseek(*names, *options, "--json") for names in (("evaluate",), ("model", "evaluate")))
    assert ungrouped.exit_code == 0, ungrouped.stderr
    first, second = json.loads(ungrouped.stdout), json.loads(grouped.stdout)
    assert first["rsum"] == second["rsum"]
    assert "evaluate" not in pixelseek("--help").stdout
