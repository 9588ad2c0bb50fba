"""The training loop: from a recipe and shards to a folder of weights.

Every random choice of a step follows from the recipe's seed and the step's number, so a run that was
killed and resumed takes exactly the steps of one that was not, on however many GPUs.
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

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm
from transformers.utils import logging

from model.atomic import put_back, replacing, replacing_folder
from model.data.shards import CaptionedPhoto, ShardError, read_shards
from model.errors import PixelseekError
from model.pictures import PictureError, curves
from model.processor import SPECIAL_TOKENS, TextInputs
from model.runtime.memory import keep_freed_memory
from model.runtime.torch_runtime import TorchRuntime
from model.scoring.parameters import ScoringParameters
from model.scoring.word_detectors import WordDetectors
from model.scoring.word_learning import WordHead, used_words
from model.training import checkpoint
from model.training.alike import neighbours
from model.training.batches import Batches
from model.training.card import write_card
from model.training.divergence import Divergence, guessing
from model.training.judge import Judge, Verdict
from model.training.optimizers import make_optimizers, rate
from model.training.photos import TrainingPhotos, stage_features
from model.training.processes import Processes
from model.training.recipe import Recipe, as_toml, difference, load_recipe
from model.training.start import freeze, freeze_trunk, start
from model.training.step import Batch, losses, total
from model.weights import find_weights, generation

_CHECKPOINT_SECONDS = 300.0
_LOG_EVERY = 10
_CAPTIONS = 256  # embedded at once
_STANDARD, _PHOTOS = 512, 32  # photos by which features are standardised, and how many of them at once
_NEAR = 4  # so many times the photos of a group are near enough to be drawn into it


class TrainingError(PixelseekError):
    """A run that cannot go on; the message says why and what to do."""


def train(
    recipe: str | Path,
    data: Sequence[Path],
    output: Path,
    *,
    resume: bool = False,
    minutes: float | None = None,
    device: str = "auto",
) -> Path | None:
    """Train by `recipe` on the `train` photos of the shards, choose on their `dev` photos.

    Leaves in `output`: `weights/` (the best by dev recall, with processor, calibration, recipe and model card),
    `log.jsonl`, `recipe.toml` and `checkpoint.pt` for `resume`. Returns the folder of weights, or None when
    the run was not done after `minutes` and is to be resumed. Raises RecipeError, ShardError, WeightsError
    or TrainingError.
    """
    until = math.inf if minutes is None else time.monotonic() + 60.0 * minutes
    settings = load_recipe(recipe)
    if settings.task != "retrieval":
        raise TrainingError(f"{recipe} is for {settings.task}: model.tasks.fine_tuning takes it")
    begun = (output / "checkpoint.pt").exists()
    if begun and not resume:
        raise TrainingError(f"{output} already holds a run: go on with --resume, or name another --output")
    if begun and (changed := difference(load_recipe(output / "recipe.toml"), settings)) is not None:
        raise TrainingError(f"{output} was begun with another recipe ({changed}): name another --output")
    photos = read_shards(data, "train")
    if not photos:
        raise ShardError(f"no captioned photos of split train in {', '.join(map(str, data))}")
    processes = Processes(device)
    if settings.schedule.parts % processes.count:
        raise TrainingError(
            f"{settings.schedule.parts} parts of a step cannot be shared by {processes.count} processes: "
            "set schedule.parts to a multiple"
        )
    learned = len(_part(len(photos), settings.schedule.photos, settings.seed))
    in_part = min(settings.schedule.batch_size, learned) // settings.schedule.parts
    if in_part <= max(settings.objectives.negative_images, settings.objectives.negative_texts, 1):
        raise TrainingError(
            f"a part of a step holds {in_part} of the {learned:,} photos, too few to draw negatives from: "
            "give more photos, or lower schedule.parts and the negatives of the recipe"
        )
    if processes.first:
        if not begun:  # else another process may be reading it
            output.mkdir(parents=True, exist_ok=True)
            (output / "recipe.toml").write_text(as_toml(settings), encoding="utf-8")
        put_back(output / "weights")
        tqdm.write(as_toml(settings), file=sys.stderr)
    processes.wait()
    keep_freed_memory()
    logging.disable_progress_bar()  # ours says more
    run = _Run(settings, photos, read_shards(data, "dev"), output, processes)
    if begun:
        run.restore()
    return output / "weights" if run.go(until) else None


def _part(count: int, part: float, seed: int) -> NDArray[np.int64]:
    """A random `part` (0 to 1) of the numbers below `count`, ascending. A smaller part lies in every larger one."""
    return np.sort(np.random.default_rng(seed).permutation(count)[: max(1, round(part * count))])


class _Run:
    """One run: the network, what it learns from, and how far it is."""

    def __init__(
        self,
        recipe: Recipe,
        photos: list[CaptionedPhoto],
        dev: list[CaptionedPhoto],
        output: Path,
        processes: Processes,
    ) -> None:
        self.recipe, self.output, self.processes, self.device = recipe, output, processes, processes.device
        self.captions = [photo.captions for photo in photos]
        self.learned = _part(len(photos), recipe.schedule.photos, recipe.seed)
        self.model, self.processor = start(recipe, [caption for photo in photos for caption in photo.captions])
        self.model.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-arg]
        self.photos = TrainingPhotos(photos, self.processor.image_processor, recipe.augmentation, self.device)
        self.data = self.photos.fingerprint()
        self.frozen = freeze(self.model, recipe.cnn.frozen_stages)
        if recipe.schedule.frozen_trunk:
            freeze_trunk(self.model)
        self.cached = self._cached_features() if self.frozen and recipe.cnn.views else []
        inputs = [self.processor.tokenize(self.captions[row]) for row in self.learned.tolist()]
        self.text_embeds = self._embedded_captions() if recipe.schedule.frozen_trunk else None
        self.shares = self._learn_words(inputs) if recipe.objectives.words else None
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        if recipe.schedule.compile:
            for layer in self.model.pixelbert.layers:
                layer.compile(dynamic=True)
        alike = recipe.schedule.alike
        self.batches = Batches(
            [some["attention_mask"].sum(1) for some in inputs],
            recipe.schedule.batch_size,
            recipe.seed,
            recipe.objectives.itc_captions,
            numbers=self.learned,
            alike=alike,
            near=neighbours([some["input_ids"] for some in inputs], _NEAR * alike) if alike > 1 else None,
        )
        self.epoch = len(photos) // min(recipe.schedule.batch_size, len(photos))  # in steps
        self.steps = max(1, round(recipe.schedule.epochs * self.epoch))
        self.optimizers = make_optimizers(self.model, recipe)
        self.judge = Judge(dev, recipe.dev, [photos[row] for row in self.learned.tolist()])
        words = self.model.word_head.chance_loss() if isinstance(self.model.word_head, WordHead) else 0.0
        self.divergence = Divergence(guessing(recipe, self.model.config.vocab_size, words))
        self.step, self.best, self.seconds = 0, -1.0, 0.0
        vocabulary = self.processor.tokenizer.get_vocab()
        self.special = {token: vocabulary[token] for token in SPECIAL_TOKENS}

    def go(self, until: float) -> bool:
        """Train to the end, or until that time; whether the end was reached."""
        recipe = self.recipe
        dev_every = max(1, round(recipe.dev.every_epochs * self.epoch))
        saved = clock = time.monotonic()
        self._train_mode()
        bar = tqdm(
            total=self.steps,
            initial=self.step,
            desc=recipe.name,
            unit="step",
            dynamic_ncols=True,
            disable=not self.processes.first,
        )
        while self.step < self.steps:
            found = self._take_step()
            self.step += 1
            bar.update()
            now = time.monotonic()
            self.seconds, clock = self.seconds + now - clock, now
            finished, at_dev = self.step == self.steps, self.step % dev_every == 0
            if finished or self.step % _LOG_EVERY == 0:
                rounded = {name: round(value, 4) for name, value in found.items()}
                bar.set_postfix(rounded)
                self._log({"step": self.step, "epoch": round(self.step / self.epoch, 3), **rounded})
            if (finished or at_dev) and self.processes.first:
                self._judge()
            stop = self._agreed(now > until)
            if finished or at_dev or stop or self._agreed(now - saved > _CHECKPOINT_SECONDS):
                self._save()
                saved = now
            if stop:
                break
        bar.close()
        if self.step < self.steps:
            return False
        if not len(self.judge) and self.processes.first:
            self._keep(None)
        self.processes.wait()
        return True

    def restore(self) -> None:
        """Go on from the checkpoint in `output`. Raises TrainingError when its photos were others."""
        state = checkpoint.load(self.output / "checkpoint.pt")
        if state["data"] != self.data:
            raise TrainingError(f"{self.output} was begun with other photos or captions: name another --output")
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, its_state in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(its_state)
        self.divergence.load_state_dict(state["divergence"])
        self.step, self.best, self.seconds = state["step"], state["best"], state["seconds"]

    def _save(self) -> None:
        if self.processes.first:
            state = {
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "divergence": self.divergence.state_dict(),
                "data": self.data,
                "step": self.step,
                "best": self.best,
                "seconds": self.seconds,
            }
            checkpoint.save(self.output / "checkpoint.pt", state)
        self.processes.wait()

    def _take_step(self) -> dict[str, float]:
        """One step of the optimizers; the mean losses of its parts."""
        schedule, part = self.recipe.schedule, self.step / self.steps
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate(schedule, part)
            optimizer.zero_grad(set_to_none=True)
        found: dict[str, Tensor] = {}
        rows, captions = self.batches[self.step]
        mine = range(self.processes.rank, schedule.parts, self.processes.count)
        if not self.cached:
            following = self.batches[self.step + 1][0]
            for number in mine:
                self.photos.expect(rows[number :: schedule.parts])
                self.photos.expect(following[number :: schedule.parts])
        for number in mine:
            torch.manual_seed((self.recipe.seed * 1_000_003 + self.step) * schedule.parts + number)
            some = slice(number, None, schedule.parts)
            for name, value in self._learn(rows[some], captions[some], part).items():
                found[name] = found.get(name, torch.zeros((), device=self.device)) + value / schedule.parts
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.processes.add_up(
            [*found.values(), *(parameter.grad for parameter in trained if parameter.grad is not None)]
        )
        values = {name: value.item() for name, value in found.items()}
        if (trouble := self.divergence.trouble(values)) is not None:
            raise TrainingError(f"step {self.step}: {trouble}. Lower the learning rate in the recipe.")
        torch.nn.utils.clip_grad_norm_(trained, schedule.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=math.log(100.0))
        self._average()
        return values

    def _learn(self, rows: NDArray[np.int64], captions: NDArray[np.int64], part: float) -> dict[str, Tensor]:
        """Add a part's share to the gradients; its losses, their weighted sum as `loss`."""
        recipe = self.recipe
        sampling = recipe.model.get("pixel_sampling") if part < recipe.schedule.all_pixels_from else None
        with torch.autocast(self.device.type, torch.bfloat16, enabled=recipe.schedule.precision == "bfloat16"):
            found = losses(
                self.model,
                self._batch(rows, captions),
                recipe.objectives,
                part=part,
                sampling=sampling,
                mask_id=self.special["[MASK]"],
            )
            loss = total(found, recipe.objectives, part)
        (loss / recipe.schedule.parts).backward()
        return {name: value.detach() for name, value in {"loss": loss, **found}.items()}

    def _batch(self, rows: NDArray[np.int64], captions: NDArray[np.int64]) -> Batch:
        cnn = self.model.pixelbert.pixel_tokens.cnn
        mask = None
        if self.cached:
            view = torch.randint(len(self.cached), (len(rows),)).tolist()
            kept = torch.from_numpy(np.stack([self.cached[v][row] for v, row in zip(view, rows, strict=True)]))
            if self.recipe.augmentation.enabled and self.recipe.augmentation.flip:
                mirrored = torch.rand(len(rows)) < 0.5
                kept[mirrored] = kept[mirrored].flip(-1)
            values = kept.to(self.device).float().contiguous(memory_format=torch.channels_last)
            features = cnn(values, after=self.frozen)
        else:
            values, mask = self.photos.batch(rows, augment=True)
            features = cnn(values)
        pairs = [pair for some in captions.T for pair in zip(rows, some, strict=True)]
        sentences = [self.captions[row][caption] for row, caption in pairs]
        text = self.processor.tokenize(sentences)
        input_ids = torch.from_numpy(text["input_ids"]).to(self.device)
        words = torch.from_numpy(text["attention_mask"]).to(self.device)
        special = torch.isin(input_ids, torch.tensor(list(self.special.values()), device=self.device))
        shares = None if self.shares is None else torch.from_numpy(self.shares[rows]).to(self.device)
        embedded = None
        if self.text_embeds is not None:
            of_photos, first = self.text_embeds
            places = torch.from_numpy((first[rows] + captions.T).flatten())
            embedded = of_photos[places].to(self.device)
        return Batch(features, mask, input_ids, words, words & ~special, embedded, shares)

    @torch.inference_mode()
    def _embedded_captions(self) -> tuple[Tensor, NDArray[np.int64]]:
        """The embeddings (M, E) of all captions, photo by photo, and the row (N,) of the first of each photo."""
        captions = [caption for some in self.captions for caption in some]
        first = np.cumsum([0, *map(len, self.captions)])[:-1]
        path = self.output / "text-embeddings" / f"{self.data}.npy"
        if not path.exists():
            runtime = TorchRuntime(self.model, self.processor)
            order = sorted(range(len(captions)), key=lambda row: len(captions[row]))  # little padding
            embedded = np.empty((len(captions), self.model.config.embedding_size), dtype=np.float32)
            for start in tqdm(range(0, len(order), _CAPTIONS), desc="captions", unit="batch"):
                rows = order[start : start + _CAPTIONS]
                embedded[rows] = runtime.encode_text([captions[row] for row in rows]).embeddings
            path.parent.mkdir(exist_ok=True)
            with replacing(path) as new, new.open("wb") as file:
                np.save(file, embedded)
        return torch.from_numpy(np.load(path)), first

    def _learn_words(self, inputs: Sequence[TextInputs]) -> NDArray[np.float32]:
        """Give the network a word head; how many of each photo's captions use its words, as shares (N, V).

        `inputs` are the captions of the photos that are learned from. The head goes on from the word detectors of
        the weights that the run starts from. Raises TrainingError when no word is common enough.
        """
        captions = [
            [ids[mask] for ids, mask in zip(text["input_ids"], text["attention_mask"], strict=True)] for text in inputs
        ]
        ids, shares_of_learned = used_words(captions)
        if not len(ids):
            raise TrainingError("no word is used of enough train photos to be learned: set objectives.words to 0")
        shares = np.zeros((len(self.captions), len(ids)), dtype=np.float32)
        shares[self.learned] = shares_of_learned
        head = WordHead(
            ids, shares_of_learned, self._pooled_features(self.learned[:: -(-len(self.learned) // _STANDARD)])
        )
        if self.recipe.start.weights:
            start = find_weights(self.recipe.start.weights)
            detectors = ScoringParameters.load(start, generation(start)).detectors
            if len(detectors.ids) and detectors.weights.shape[1] == len(head.centre):
                head.initialize_from(detectors)
        self.model.word_head = head.to(self.device)
        return shares

    @torch.inference_mode()
    def _pooled_features(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The pooled features (B, C) of photos as they are."""
        cnn = self.model.eval().pixelbert.pixel_tokens.cnn
        pooled = []
        for some in np.array_split(rows, -(-len(rows) // _PHOTOS)):
            if self.cached:
                features = cnn(torch.from_numpy(self.cached[0][some]).to(self.device).float(), after=self.frozen)
            else:
                features = cnn(self.photos.batch(some, augment=False)[0])
            pooled.append(features.mean((2, 3)).cpu().numpy())
        return np.concatenate(pooled)

    def _cached_features(self) -> list[NDArray[np.float16]]:
        self.model.eval()
        settings = {"frozen_stages": self.frozen, "views": self.recipe.cnn.views, "seed": self.recipe.seed}
        if self.processes.first:
            stage_features(self.model, self.photos, cache=self.output / "pixel-features", **settings)
        self.processes.wait()
        return stage_features(self.model, self.photos, cache=self.output / "pixel-features", **settings)

    def _judge(self) -> None:
        """Measure dev recall with the averaged weights, and keep them when they are the best yet."""
        if not len(self.judge):
            return
        runtime = TorchRuntime(self.average, self.processor)
        verdict = self.judge.judge(runtime, self.processor, self._detectors())
        self._log(
            {
                "step": self.step,
                "seconds": round(self.seconds),
                "dev": verdict.figures,
                "score": round(verdict.score, 2),
            }
        )
        with suppress(PictureError):  # a picture is no reason to stop, and the log has it all
            curves(self.output / "log.jsonl", self.output / "curves.png")
        tqdm.write(f"step {self.step}: dev {json.dumps(verdict.figures)}", file=sys.stderr)
        if verdict.score >= self.best:
            self.best = verdict.score
            self._keep(verdict)
        self._train_mode()

    def _detectors(self) -> WordDetectors:
        """Of the averaged weights; none where the run learns no words."""
        head = self.average.word_head
        return head.detectors() if isinstance(head, WordHead) else WordDetectors()

    def _keep(self, verdict: Verdict | None) -> None:
        kept = copy.deepcopy(self.average).half()
        kept.word_head = None  # kept as word detectors
        kept.config.pixel_sampling = self.recipe.model.get("pixel_sampling")
        with replacing_folder(self.output / "weights") as folder:
            kept.save_pretrained(folder)
            self.processor.save_pretrained(folder)
            (folder / "recipe.toml").write_text(as_toml(self.recipe), encoding="utf-8")
            parameters = ScoringParameters(detectors=self._detectors()) if verdict is None else verdict.parameters
            parameters.save(folder, generation(folder))
            write_card(
                folder,
                recipe=self.recipe,
                photos=len(self.learned),
                captions=sum(len(self.captions[row]) for row in self.learned.tolist()),
                steps=self.step,
                seconds=self.seconds,
                device=str(self.device),
                dev_photos=len(self.judge),
                figures={} if verdict is None else verdict.figures,
            )

    def _train_mode(self) -> None:
        self.model.train()
        if self.frozen:
            self.model.pixelbert.pixel_tokens.backbone.eval()  # its batch statistics stay those it came with

    def _agreed(self, wanted: bool) -> bool:
        """What the first process wants: clocks differ, and all must do the same."""
        flag = torch.tensor(float(wanted and self.processes.first), device=self.device)
        self.processes.add_up([flag])
        return bool(flag)

    def _log(self, record: dict[str, object]) -> None:
        if self.processes.first:
            with (self.output / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def _average(self) -> None:
        decay = min(self.recipe.schedule.ema, (1 + self.step) / (10 + self.step))
        pairs = [
            (slow, fast)
            for slow, fast in zip(self.average.parameters(), self.model.parameters(), strict=True)
            if fast.requires_grad
        ]
        with torch.no_grad():
            torch._foreach_lerp_([slow for slow, _ in pairs], [fast.detach() for _, fast in pairs], 1.0 - decay)
            for slow_buffer, buffer in zip(self.average.buffers(), self.model.buffers(), strict=True):
                slow_buffer.copy_(buffer)
