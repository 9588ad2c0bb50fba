"""`pixelseek model evaluate`: recall of a model on photos with captions."""

from __future__ import annotations

from pathlib import Path

import click

from cli.new_files import require_new
from cli.options import FILE, data_option, device_option, json_option, weights_option
from cli.output import print_json
from model.heads import TASKS, Task


@click.command()
@data_option
@click.option("--split", type=click.Choice(("test", "dev", "all")), default="test", help="Which photos of the shards.")
@click.option(
    "--task",
    type=click.Choice(("retrieval", *TASKS)),
    default="retrieval",
    help="Or how well a head does its task, with --split, --weights, --device, --json alone; docs/questions.md.",
)
@click.option(
    "--shortlist",
    type=click.IntRange(min=1),
    metavar="K",
    multiple=True,
    help="How many candidates to rerank; again for other depths. Default: 64.",
)
@click.option(
    "--captions", type=click.IntRange(min=1), metavar="N", help="Only the first N captions of each photo. Default: all."
)
@click.option(
    "--fold", type=click.IntRange(min=1), metavar="N", help="Also the mean over folds of N photos: 1000 for COCO 1K."
)
@click.option(
    "--exhaustive",
    type=click.IntRange(min=1),
    metavar="N",
    help="Also ITM on every sentence-photo pair of the first N photos.",
)
@click.option("--eccv", is_flag=True, help="Also ECCV Caption and CxC, on all of Karpathy's COCO test split.")
@click.option(
    "--judgements",
    type=FILE,
    metavar="FILE",
    help="Instead, compare the match with what people say: JSON lines of key, sentence, fit (0 to 1), own; "
    "docs/evaluation.md. With --split, --weights, --device, --reliability, --json, --markdown alone.",
)
@click.option("--ranks", type=FILE, metavar="FILE", help="Write the rank of every query to a new .npz, for --against.")
@click.option(
    "--against",
    type=FILE,
    metavar="FILE",
    help="The --ranks file of another run: also print the differences to it.",
)
@click.option("--reliability", type=FILE, metavar="FILE", help="Draw the reliability diagram, a new .png.")
@weights_option
@device_option
@json_option
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for a paper or a model card.")
def evaluate(
    data: tuple[Path | str, ...],
    split: str,
    task: str,
    shortlist: tuple[int, ...],
    captions: int | None,
    fold: int | None,
    exhaustive: int | None,
    eccv: bool,
    judgements: Path | None,
    ranks: Path | None,
    against: Path | None,
    reliability: Path | None,
    weights: str,
    device: str,
    as_json: bool,
    as_markdown: bool,
) -> None:
    """Measure how well a model finds photos.

    Recall at 1, 5 and 10 in both directions, before and after the rerank; docs/evaluation.md says how to read it.

    Example: pixelseek model evaluate --data coco-000.tar --data coco-001.tar --split test --shortlist 64
    """
    if as_json and as_markdown:
        raise click.UsageError("name --json or --markdown, not both")
    require_new(ranks, ".npz")
    require_new(reliability, ".png")
    if task in TASKS:
        _evaluate_task(task, weights, data, split, device, as_json)
        return
    if judgements is not None:
        _evaluate_judgements(judgements, weights, data, split, device, reliability, as_json, as_markdown)
        return
    from model.evaluation.report import evaluate_shards
    from model.evaluation.tables import markdown, text
    from model.pictures import reliability_diagram, require_matplotlib

    if reliability is not None:
        require_matplotlib()
        reliability.parent.mkdir(parents=True, exist_ok=True)
    report = evaluate_shards(
        weights,
        data,
        split=split,
        shortlists=shortlist or (64,),
        captions=captions,
        fold=fold,
        exhaustive=exhaustive,
        eccv=eccv,
        ranks=ranks,
        against=against,
        device=device,
    )
    if reliability is not None:
        reliability_diagram(report["match"]["bins"], reliability)
    if as_json:
        print_json(report)
    else:
        click.echo(markdown(report) if as_markdown else text(report))


def _evaluate_task(
    task: Task, weights: str, data: tuple[Path | str, ...], split: str, device: str, as_json: bool
) -> None:
    from model.tasks.evaluation import evaluate_task
    from model.weights import find_weights

    if split == "all":
        raise click.UsageError("the baselines learn from train photos: name --split dev or test")
    report = evaluate_task(find_weights(weights), data, task, split=split, device=device)
    if as_json:
        print_json(report.to_json())
    else:
        click.echo(report.text())


def _evaluate_judgements(
    judgements: Path,
    weights: str,
    data: tuple[Path | str, ...],
    split: str,
    device: str,
    reliability: Path | None,
    as_json: bool,
    as_markdown: bool,
) -> None:
    from model.evaluation.judgements import evaluate_judgements
    from model.evaluation.tables import judgement_markdown, judgement_text
    from model.pictures import judgement_diagrams, require_matplotlib

    if reliability is not None:
        require_matplotlib()
        reliability.parent.mkdir(parents=True, exist_ok=True)
    report = evaluate_judgements(weights, data, judgements, split=split, device=device)
    if reliability is not None:
        judgement_diagrams(report["judgements"]["by"], reliability)
    if as_json:
        print_json(report)
    else:
        click.echo(judgement_markdown(report) if as_markdown else judgement_text(report))
