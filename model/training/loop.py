"""The training loop: from a recipe and shards to a folder of weights.

Every random choice of a step follows from the recipe's seed and the number of the step: a run that was killed and
resumed takes exactly the same steps as one that was not, on any number of GPUs.
"""

from __future__ import annotations

import copy
import json
import math
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm
from transformers.utils import logging

from model.atomic import put_back
from model.data.shards import CaptionedPhoto, Shard, ShardError, read_splits
from model.network.pixelbert import PixelBertForPreTraining
from model.pictures import PictureError, curves
from model.runtime.memory import keep_freed_memory
from model.runtime.torch_runtime import TorchRuntime
from model.scoring.word_detectors import WordDetectors
from model.scoring.word_learning import WordHead
from model.training import checkpoint
from model.training.batches import Batches
from model.training.dev_evaluation import DevEvaluator, DevResult
from model.training.digests import digest_of, photos_digest, weights_digest
from model.training.divergence import REMEDY, Divergence, chance_loss, check_finite
from model.training.errors import TrainingError
from model.training.export import RunSummary, save_weights
from model.training.hard_negatives import nearest_photos
from model.training.inputs import TrainingInputs
from model.training.optimizers import make_optimizers, set_learning_rate
from model.training.processes import Processes
from model.training.recipe import Recipe, RecipeError, as_toml, difference, load_recipe
from model.training.run_log import RunLog
from model.training.start import freeze_trunk, start, start_digest
from model.training.step import losses, total_loss
from model.weights import WeightsError

_CHECKPOINT_SECONDS = 300.0
_LOG_STEPS = 10
_NEAREST_PER_GROUP = 4  # candidates for each photo of a group of hard negatives
_MAX_LOGIT_SCALE = math.log(100.0)  # as in CLIP


Tensors: TypeAlias = tuple[Tensor, ...] | list[Tensor]


def train(
    recipe: str | Path,
    data: Sequence[Shard],
    output: Path,
    *,
    resume: bool = False,
    minutes: float | None = None,
    device: str = "auto",
) -> Path | None:
    """Train by `recipe` on the `train` photos of the shards; their `dev` photos select the best step.

    Leaves in `output`: `weights/` (the best by dev recall, with processor, calibration, recipe and model card),
    `log.jsonl`, `recipe.toml` and `checkpoint.pt` for `resume`. Returns the folder of weights, or None when the run was
    not finished after `minutes`. Raises RecipeError, ShardError, WeightsError or TrainingError.
    """
    deadline = math.inf if minutes is None else time.monotonic() + 60.0 * minutes
    settings = load_recipe(recipe)
    if settings.task != "retrieval":
        raise TrainingError(f"{recipe} is for {settings.task}: model.tasks.fine_tuning takes it")
    begun = (output / checkpoint.FILE).exists()
    if begun:
        _check_resumable(output, settings, resume=resume)
    elif not resume and (output / "weights").exists():  # of a run whose checkpoint was deleted, or another folder
        raise TrainingError(f"{output / 'weights'} exists already: name another --output")
    photos, dev = read_splits(data, ("train", "dev"))
    if not photos:
        raise ShardError(f"no captioned photos of split train in {', '.join(map(str, data))}")
    processes = Processes(device)
    _check_sizes(settings, len(photos), processes)
    if not processes.agree(f"{begun} {as_toml(settings)}".encode()):
        raise TrainingError(
            f"the processes have other recipes, or not all see {output / checkpoint.FILE}. Give them one recipe, and "
            "an --output on a disk that all machines share"
        )
    if processes.is_first:
        if not begun:  # else another process may be reading it
            output.mkdir(parents=True, exist_ok=True)
            (output / "recipe.toml").write_text(as_toml(settings), encoding="utf-8")
        put_back(output / "weights")
        tqdm.write(as_toml(settings), file=sys.stderr)
    processes.wait()
    keep_freed_memory()
    logging.disable_progress_bar()  # the one of the run says more
    run = _Run(settings, photos, dev, output, processes)
    if begun:
        run.restore()
    if processes.count > 1 and not processes.agree(run.state()):
        raise TrainingError(
            "the processes have other photos or other weights. Give all machines the same --data, the same starting "
            "weights and the same versions"
        )
    return output / "weights" if run.go(deadline) else None


def _check_resumable(output: Path, recipe: Recipe, *, resume: bool) -> None:
    """Raise TrainingError unless the run in `output` may continue by `recipe`."""
    if not resume:
        raise TrainingError(f"{output} already holds a run: continue it with --resume, or name another --output")
    try:
        changed = difference(load_recipe(output / "recipe.toml"), recipe)
    except RecipeError as error:
        raise TrainingError(
            f"{output} was begun by another version of Pixelseek ({error}) Name another --output"
        ) from error
    if changed is not None:
        raise TrainingError(f"{output} was begun with another recipe ({changed}): name another --output")


def _check_sizes(recipe: Recipe, photos: int, processes: Processes) -> None:
    """Raise TrainingError when a step cannot be shared by the processes, or is too small to draw negatives from."""
    schedule, objectives = recipe.schedule, recipe.objectives
    steps = schedule.gradient_accumulation_steps
    if steps % processes.count:
        raise TrainingError(
            f"{steps} gradient accumulation steps cannot be shared by {processes.count} processes: "
            "set schedule.gradient_accumulation_steps to a multiple of their number"
        )
    train_photos = len(_subset(photos, schedule.train_fraction, recipe.seed))
    size = min(schedule.batch_size, train_photos) // steps
    if size <= max(objectives.negative_images, objectives.negative_texts, 1):
        raise TrainingError(
            f"a gradient accumulation step holds {size} of {train_photos:,} photos, too few to draw negatives from. "
            "Give more photos, or lower schedule.gradient_accumulation_steps and the negatives of the recipe"
        )


def _subset(count: int, fraction: float, seed: int) -> NDArray[np.int64]:
    """A random fraction of the numbers below `count`, ascending. A smaller subset lies in every larger one."""
    return np.sort(np.random.default_rng(seed).permutation(count)[: max(1, round(fraction * count))])


class _Run:
    """The state of one run."""

    def __init__(
        self,
        recipe: Recipe,
        photos: list[CaptionedPhoto],
        dev: list[CaptionedPhoto],
        output: Path,
        processes: Processes,
    ) -> None:
        self.recipe, self.output, self.processes, self.device = recipe, output, processes, processes.device
        self.log = RunLog(output / "log.jsonl")
        schedule = recipe.schedule
        self.train_rows = _subset(len(photos), schedule.train_fraction, recipe.seed)
        self.model, self.processor = start(recipe, [caption for photo in photos for caption in photo.captions])
        started_from = start_digest(recipe, self.model, self.processor)
        self.model.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-arg]
        if schedule.frozen_trunk:
            freeze_trunk(self.model)
        self.inputs = TrainingInputs(recipe, photos, self.model, self.processor, output, processes)
        self.begun_from = {
            "train photos": self.inputs.fingerprint,
            "dev photos": photos_digest(dev),
            "starting weights": started_from,
        }
        texts = [self.processor.tokenize(photos[row].captions) for row in self.train_rows]
        if recipe.objectives.words:
            self.inputs.add_word_head(self.train_rows, texts)
        self.average = AveragedModel(self.model, multi_avg_fn=self._update_average).eval().requires_grad_(False)
        self.start_weights = (
            {name: tensor.clone() for name, tensor in self.averaged_model.state_dict().items()}
            if schedule.start_share
            else {}
        )
        if schedule.compile:
            for layer in self.model.pixelbert.layers:
                layer.compile(dynamic=True)
        size = schedule.hard_negative_group_size
        self.batches = Batches(
            [text["attention_mask"].sum(1) for text in texts],
            schedule.batch_size,
            recipe.seed,
            recipe.objectives.itc_captions,
            photo_ids=self.train_rows,
            group_size=size,
            nearest=nearest_photos(texts, _NEAREST_PER_GROUP * size) if size > 1 else None,
        )
        self.epoch = len(photos) // min(schedule.batch_size, len(photos))  # in steps
        self.steps = max(1, round(schedule.epochs * self.epoch))
        self.optimizers = make_optimizers(self.model, recipe)
        self.evaluator = DevEvaluator(dev, recipe.dev, [photos[row] for row in self.train_rows])
        words = self.model.word_head.chance_loss() if isinstance(self.model.word_head, WordHead) else 0.0
        self.divergence = Divergence(chance_loss(recipe, self.model.config.vocab_size, len(self.train_rows), words))
        self.step, self.best, self.seconds = 0, -1.0, 0.0

    def go(self, deadline: float) -> bool:
        """Train to the end, or until the deadline (of `time.monotonic`); whether the end was reached."""
        dev_steps = max(1, round(self.recipe.dev.every_epochs * self.epoch))
        saved = clock = time.monotonic()
        self._set_train_mode()
        bar = tqdm(
            total=self.steps,
            initial=self.step,
            desc=self.recipe.name,
            unit="step",
            dynamic_ncols=True,
            disable=not self.processes.is_first,
        )
        while self.step < self.steps:
            values = self._take_step()
            self.step += 1
            bar.update()
            now = time.monotonic()
            self.seconds, clock = self.seconds + now - clock, now
            finished, at_dev = self.step == self.steps, self.step % dev_steps == 0
            if finished or self.step % _LOG_STEPS == 0:
                rounded = {name: round(value, 4) for name, value in values.items()}
                bar.set_postfix(rounded)
                if self.processes.is_first:
                    self.log.add({"step": self.step, "epoch": round(self.step / self.epoch, 3), **rounded})
            stop = self.processes.first_decides(now > deadline)
            due = self.processes.first_decides(now - saved > _CHECKPOINT_SECONDS)
            if finished or at_dev or stop or due:
                for network in (self.model, self.averaged_model):
                    check_finite(network, self.step)
                if (finished or at_dev) and self.processes.is_first:
                    self._keep_best(finished=finished)
                self._save_checkpoint()  # last: what was not fit to be kept is not fit to go on from
                saved = now
            if stop:
                break
        bar.close()
        if self.step < self.steps:
            return False
        self.processes.wait()
        return True

    def restore(self) -> None:
        """Continue from the checkpoint in `output`.

        Raises TrainingError when it is unreadable, or was begun from other photos or weights.
        """
        state = checkpoint.load(self.output / checkpoint.FILE)
        for name, digest in self.begun_from.items():
            if state["begun_from"][name] != digest:
                raise TrainingError(f"{self.output} was begun with other {name}: name another --output")
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, optimizer_state in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(optimizer_state)
        self.divergence.load_state_dict(state["divergence"])
        self.step, self.best, self.seconds = state["step"], state["best"], state["seconds"]
        if self.processes.is_first:
            self.log.forget_after(self.step)

    def state(self) -> bytes:
        """What must be the same in all processes: photos, step and weights."""
        return digest_of(self.begun_from, self.step, weights_digest([self.model])).encode()

    def _save_checkpoint(self) -> None:
        if self.processes.is_first:
            state = {
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "divergence": self.divergence.state_dict(),
                "begun_from": self.begun_from,
                "step": self.step,
                "best": self.best,
                "seconds": self.seconds,
            }
            checkpoint.save(self.output / checkpoint.FILE, state)
        self.processes.wait()

    def _take_step(self) -> dict[str, float]:
        """One step of the optimizers; the losses, averaged over the gradient accumulation steps."""
        schedule, progress = self.recipe.schedule, self.step / self.steps
        set_learning_rate(self.optimizers, schedule, progress)
        count = schedule.gradient_accumulation_steps
        # Cut, not dealt out: a group of hard negatives lies together in the batch, and must be seen together.
        photos, captions = (np.array_split(of_step, count) for of_step in self.batches[self.step])
        next_photos = np.array_split(self.batches[self.step + 1][0], count)
        own_steps = range(self.processes.rank, count, self.processes.count)
        for number in own_steps:
            self.inputs.expect(photos[number])
            self.inputs.expect(next_photos[number])
        sums: dict[str, Tensor] = {}
        for number in own_steps:
            torch.manual_seed((self.recipe.seed * 1_000_003 + self.step) * count + number)
            for name, value in self._accumulate(photos[number], captions[number], progress).items():
                sums[name] = sums.get(name, torch.zeros((), device=self.device)) + value / count
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.processes.sum([*sums.values(), *(parameter.grad for parameter in trained if parameter.grad is not None)])
        values = {name: value.item() for name, value in sums.items()}
        if (problem := self.divergence.problem(values)) is not None:
            raise TrainingError(f"step {self.step}: {problem}. {REMEDY}")
        torch.nn.utils.clip_grad_norm_(trained, schedule.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=_MAX_LOGIT_SCALE)
        self.average.update_parameters(self.model)
        return values

    def _accumulate(self, photos: NDArray[np.int64], captions: NDArray[np.int64], progress: float) -> dict[str, Tensor]:
        """Add to the gradients what one accumulation step contributes; its losses, their weighted sum as `loss`."""
        schedule, objectives = self.recipe.schedule, self.recipe.objectives
        with torch.autocast(self.device.type, torch.bfloat16, enabled=schedule.precision == "bfloat16"):
            values = losses(
                self.model,
                self.inputs.batch(photos, captions),
                objectives,
                progress=progress,
                sampling=self.recipe.config_fields.get("pixel_sampling") if progress < schedule.sampling_end else None,
                mask_id=self.inputs.mask_id,
            )
            loss = total_loss(values, objectives, progress)
        (loss / schedule.gradient_accumulation_steps).backward()
        return {name: value.detach() for name, value in {"loss": loss, **values}.items()}

    def _update_average(self, averaged: Tensors, current: Tensors, steps: Tensor | int) -> None:
        """An exponential moving average, which forgets the first steps faster than later ones."""
        decay = min(self.recipe.schedule.ema, (1 + int(steps)) / (10 + int(steps)))
        torch._foreach_lerp_(averaged, current, 1.0 - decay)

    @property
    def averaged_model(self) -> PixelBertForPreTraining:
        """The network with the averaged weights."""
        return cast(PixelBertForPreTraining, self.average.module)

    def _result(self) -> PixelBertForPreTraining:
        """The network that the run would leave now: with the averaged weights, and its share of those of the start."""
        if not self.start_weights:
            return self.averaged_model
        result = copy.deepcopy(self.averaged_model)
        for name, tensor in result.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(self.start_weights[name], self.recipe.schedule.start_share)
        return result

    def _keep_best(self, *, finished: bool) -> None:
        """Measure dev recall of the network as it is now, and save it when it is the best until now.

        Without dev photos the last one is the best. Raises TrainingError when the network is not fit to be saved.
        """
        network = self._result()
        if not len(self.evaluator):
            if finished:
                self._save_weights(network, None)
            return
        runtime = TorchRuntime(network, self.processor)
        try:
            result = self.evaluator.evaluate(runtime, self.processor, _detectors_of(network))
        except WeightsError as error:
            raise TrainingError(f"step {self.step}: {error} {REMEDY}") from error
        self.log.add(
            {
                "step": self.step,
                "seconds": round(self.seconds),
                "dev": result.figures,
                "score": round(result.score, 2),
            }
        )
        with suppress(PictureError):  # the log has the same figures
            curves(self.log.path, self.output / "curves.png")
        tqdm.write(f"step {self.step}: dev {json.dumps(result.figures)}", file=sys.stderr)
        if result.score >= self.best:
            self.best = result.score
            self._save_weights(network, result)
        self._set_train_mode()

    def _save_weights(self, network: PixelBertForPreTraining, result: DevResult | None) -> None:
        summary = RunSummary(
            photos=len(self.train_rows),
            captions=sum(len(self.inputs.captions[row]) for row in self.train_rows),
            steps=self.step,
            seconds=self.seconds,
            device=str(self.device),
            dev_photos=len(self.evaluator),
        )
        detectors = _detectors_of(network)
        save_weights(self.output / "weights", network, self.processor, detectors, self.recipe, summary, result)

    def _set_train_mode(self) -> None:
        self.model.train()
        if self.inputs.frozen_stages:
            self.model.pixelbert.pixel_tokens.backbone.eval()  # its batch statistics stay as they were


def _detectors_of(network: PixelBertForPreTraining) -> WordDetectors:
    """Its word detectors; none where the run learns no words."""
    return network.word_head.detectors() if isinstance(network.word_head, WordHead) else WordDetectors()
