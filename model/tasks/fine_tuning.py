"""Fine-tune a whole Pixel-BERT, CNN and all, to another task than retrieval (paper, section 4.2): for GPUs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from model.atomic import replacing_folder
from model.data.shards import CaptionedPhoto, Shard, ShardError, read_shards
from model.heads import PHOTOS, Head, Task
from model.network.configuration import PixelBertConfig
from model.network.heads import PixelBertForImagesAndTextClassification, PixelBertForQuestionAnswering, answer_loss
from model.network.pixelbert import PixelBertForImageTextRetrieval
from model.processor import PixelBertProcessor
from model.runtime.torch_runtime import load_network
from model.tasks.answers import targets
from model.tasks.evaluation import right
from model.tasks.examples import Example, examples
from model.tasks.fitting import labels_of
from model.tasks.training import calibrated, save_head
from model.training.divergence import REMEDY, check_finite
from model.training.errors import TrainingError
from model.training.optimizers import make_optimizers, set_learning_rate
from model.training.recipe import Recipe, as_toml, load_recipe
from model.weights import find_weights, generation

_LOG_EVERY = 10


def fine_tune(recipe: str | Path, data: Sequence[Shard], output: Path, *, device: str = "auto") -> Path:
    """Train by a `recipe` whose task is not retrieval, in one go, on the train photos of shards.

    Leaves in `output` the folder `weights/`: a Pixel-BERT of the new trunk with the head beside it, to be asked by
    `pixelseek ask --weights`. It finds photos no better than before, if not worse. Also `log.jsonl`, with dev accuracy
    after each epoch, and `recipe.toml`. Returns the folder of weights. Raises RecipeError, ShardError, WeightsError or
    TrainingError.
    """
    settings = load_recipe(recipe)
    task, start = settings.task, settings.start.weights
    assert task != "retrieval"
    if not start:
        raise TrainingError(f"{recipe}: a task is learned from trained weights: name them as start.weights")
    if (output / "weights").exists():
        raise TrainingError(f"{output} already holds a run: name another --output")
    learned, measured = _Examples(data, "train", task), _Examples(data, "dev", task)
    labels = labels_of(task, learned.examples)
    weights = find_weights(start)
    processor = PixelBertProcessor.from_pretrained(weights)
    device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    torch.manual_seed(settings.seed)
    config = PixelBertConfig.from_pretrained(weights, id2label=dict(enumerate(labels)), num_images=PHOTOS[task])
    kind = PixelBertForQuestionAnswering if task == "vqa" else PixelBertForImagesAndTextClassification
    model: Any = kind.from_pretrained(weights, config=config, dtype=torch.float32, local_files_only=True)
    model.to(device)
    output.mkdir(parents=True, exist_ok=True)
    (output / "recipe.toml").write_text(as_toml(settings), encoding="utf-8")
    logits = _train(model, task, settings, processor, labels, learned, measured, output / "log.jsonl")
    return _keep(model, task, labels, weights, processor, measured.examples, logits, output / "weights")


class _Examples:
    """The examples of one split, and the photos they are about."""

    def __init__(self, shards: Sequence[Shard], split: str, task: Task) -> None:
        self._task: Task = task
        photos = read_shards(shards, split, captioned=False)
        self.examples: list[Example] = examples(task, photos)
        self._photos: dict[str, CaptionedPhoto] = {photo.key: photo for photo in photos}
        if not self.examples:
            raise ShardError(f"there are no examples for {task} of the {split} photos in {', '.join(map(str, shards))}")

    def inputs(self, rows: Sequence[int], processor: PixelBertProcessor, device: torch.device) -> dict[str, Tensor]:
        """What the network takes of the examples at `rows`."""
        subset = [self.examples[row] for row in rows]
        text = processor.tokenize([example.question.question for example in subset])
        arrays = [self._photos[key].decode(processor.image_processor) for example in subset for key in example.photos]
        images = processor.image_processor.normalize(arrays)
        values, mask = (torch.from_numpy(array) for array in (images["pixel_values"], images["pixel_mask"]))
        if self._task != "vqa":
            values, mask = (example.unflatten(0, (len(subset), PHOTOS[self._task])) for example in (values, mask))
        tensors = {
            "input_ids": torch.from_numpy(text["input_ids"]),
            "attention_mask": torch.from_numpy(text["attention_mask"]),
            "pixel_values": values,
            "pixel_mask": mask,
        }
        return {name: tensor.to(device) for name, tensor in tensors.items()}


def _train(
    model: PixelBertForQuestionAnswering | PixelBertForImagesAndTextClassification,
    task: Task,
    recipe: Recipe,
    processor: PixelBertProcessor,
    labels: Sequence[str],
    learned: _Examples,
    measured: _Examples,
    log: Path,
) -> Tensor:
    """Train `model` in place; its logits (N, L) of `measured` in the end.

    Raises TrainingError when losses, weights or logits are no longer finite.
    """
    schedule, device = recipe.schedule, next(model.parameters()).device
    all_targets = torch.from_numpy(targets([example.question for example in learned.examples], labels))
    optimizers = make_optimizers(model, recipe)
    epoch_steps = math.ceil(len(all_targets) / schedule.batch_size)
    steps = max(1, round(schedule.epochs * epoch_steps))
    rounds = math.ceil(steps / epoch_steps)
    batches = [rows for _ in range(rounds) for rows in torch.randperm(len(all_targets)).split(schedule.batch_size)][
        :steps
    ]
    head, logits = Head(task, tuple(labels), ""), torch.empty(0)
    with log.open("a", encoding="utf-8") as file:
        for step, rows in enumerate(tqdm(batches, desc=recipe.name, unit="step"), start=1):
            model.train()
            set_learning_rate(optimizers, schedule, (step - 1) / steps)
            with torch.autocast(device.type, torch.bfloat16, enabled=schedule.precision == "bfloat16"):
                batch_logits = model(**learned.inputs(rows.tolist(), processor, device)).logits.float()
            batch_targets = all_targets[rows].to(device)
            loss = (
                answer_loss(batch_logits, batch_targets)
                if task == "vqa"
                else functional.cross_entropy(batch_logits, batch_targets)
            )
            record: dict[str, float] = {"step": step, "loss": round(loss.item(), 4)}
            if not math.isfinite(record["loss"]):
                raise TrainingError(f"step {step}: the loss is {record['loss']}. {REMEDY}")
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), schedule.clip_norm)
            for optimizer in optimizers:
                optimizer.step()
            if step % epoch_steps == 0 or step == steps:
                check_finite(model, step)
                logits = _logits(model, processor, measured, schedule.batch_size)
                if not torch.isfinite(logits).all():
                    raise TrainingError(f"step {step}: the answers to dev questions are not finite. {REMEDY}")
                record["dev accuracy"] = round(100 * float(right(head, measured.examples, logits.numpy()).mean()), 2)
                tqdm.write(f"step {step}: dev accuracy {record['dev accuracy']}", file=sys.stderr)
            if step % _LOG_EVERY == 0 or "dev accuracy" in record:
                file.write(json.dumps(record) + "\n")
    return logits


@torch.inference_mode()
def _logits(
    model: PixelBertForQuestionAnswering | PixelBertForImagesAndTextClassification,
    processor: PixelBertProcessor,
    subset: _Examples,
    batch_size: int,
) -> Tensor:
    model.eval()
    device = next(model.parameters()).device
    rows = torch.arange(len(subset.examples)).split(batch_size)
    return torch.cat([model(**subset.inputs(part.tolist(), processor, device)).logits.float().cpu() for part in rows])


def _keep(
    model: PixelBertForQuestionAnswering | PixelBertForImagesAndTextClassification,
    task: Task,
    labels: Sequence[str],
    start: Path,
    processor: PixelBertProcessor,
    measured: Sequence[Example],
    logits: Tensor,
    weights: Path,
) -> Path:
    """Write the trunk in the place of the one it started from, and the head beside it."""
    whole: PixelBertForImageTextRetrieval = load_network(start)
    whole.pixelbert.load_state_dict(model.pixelbert.state_dict())
    with replacing_folder(weights) as folder:
        whole.half().save_pretrained(folder)
        processor.save_pretrained(folder)
        head = Head(task, tuple(labels), generation(folder))
        save_head(folder, calibrated(head, measured, logits.numpy()), model.head)
    return weights
