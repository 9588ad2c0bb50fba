"""The training loop: from a recipe and shards to a folder of weights.

Every random choice of a step follows from the recipe's seed and the step's number, so a run that was
killed and resumed takes exactly the steps of one that was not.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm
from transformers.utils import logging

from model.calibration import Calibration
from model.evaluation import encode_collection, rerank_photos
from model.memory import keep_freed_memory
from model.metrics import recall
from model.processor import SPECIAL_TOKENS
from model.recipe import Recipe, load_recipe
from model.shards import CaptionedPhoto, ShardError, read_shards
from model.torch_runtime import TorchRuntime
from model.training import checkpoint
from model.training.batches import Batches
from model.training.card import write_card
from model.training.photos import TrainingPhotos, cnn_features, decode_photos
from model.training.start import start
from model.training.step import Batch, losses, total

_CHECKPOINT_SECONDS = 300.0
_LOG_EVERY = 10


class TrainingError(Exception):
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

    Leaves in `output`: `weights/` (the best by dev recall, with processor, calibration and model card),
    `log.jsonl`, `recipe.json` and `checkpoint.pt` for `resume`. Returns the folder of weights, or None when
    the run was not done after `minutes` and is to be resumed. Raises RecipeError, ShardError, WeightsError
    or TrainingError.
    """
    until = math.inf if minutes is None else time.monotonic() + 60.0 * minutes
    settings = load_recipe(recipe)
    if (output / "checkpoint.pt").exists() and not resume:
        raise TrainingError(f"{output} already holds a run: go on with --resume, or name another --output")
    photos = read_shards(data, "train")
    if not photos:
        raise ShardError(f"no captioned photos of split train in {', '.join(map(str, data))}")
    output.mkdir(parents=True, exist_ok=True)
    (output / "recipe.json").write_text(json.dumps(asdict(settings), indent=2) + "\n", encoding="utf-8")
    keep_freed_memory()
    logging.disable_progress_bar()  # ours says more
    where = torch.device("cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu"))
    run = _Run(settings, photos, read_shards(data, "dev"), output, where)
    if resume and (output / "checkpoint.pt").exists():
        run.restore()
    return output / "weights" if run.go(until) else None


class _Run:
    """One run: the network, what it learns from, and how far it is."""

    def __init__(
        self,
        recipe: Recipe,
        photos: list[CaptionedPhoto],
        dev: list[CaptionedPhoto],
        output: Path,
        device: torch.device,
    ) -> None:
        self.recipe, self.output, self.device = recipe, output, device
        self.captions = [photo.captions for photo in photos]
        self.model, self.processor = start(recipe, [caption for photo in photos for caption in photo.captions])
        self.model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-arg]
        self.photos = TrainingPhotos(decode_photos(photos, self.processor), self.processor, recipe.augmentation, device)
        self.cached: list[NDArray[np.float16]] = []
        if recipe.cnn.frozen:
            self.model.pixelbert.pixel_tokens.backbone.requires_grad_(False)
            self.model.eval()
            self.cached = cnn_features(
                self.model, self.photos, views=recipe.cnn.views, seed=recipe.seed, cache=output / "pixel-features"
            )
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        lengths = [self.processor.text(texts)["attention_mask"].sum(1) for texts in self.captions]
        self.batches = Batches(lengths, recipe.schedule.batch_size, recipe.seed)
        self.steps = max(1, round(recipe.schedule.epochs * len(self.batches)))
        self.optimizer = self._optimizer()
        self.dev = _sample_dev(dev, recipe)
        self.step, self.best, self.seconds = 0, -1.0, 0.0
        vocabulary = self.processor.tokenizer.get_vocab()
        self.special = {token: vocabulary[token] for token in SPECIAL_TOKENS}

    def go(self, until: float) -> bool:
        """Train to the end, or until that time; whether the end was reached."""
        recipe = self.recipe
        dev_every = max(1, round(recipe.dev.every_epochs * len(self.batches)))
        saved = clock = time.monotonic()
        self.model.train()
        bar = tqdm(total=self.steps, initial=self.step, desc=recipe.name, unit="step", dynamic_ncols=True)
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
                self._log({"step": self.step, "epoch": round(self.step / len(self.batches), 3), **rounded})
            if finished or at_dev:
                self._judge()
                self.model.train()
            if finished or at_dev or now > until or now - saved > _CHECKPOINT_SECONDS:
                self._save()
                saved = now
            if now > until:
                break
        bar.close()
        if self.step < self.steps:
            return False
        if not self.dev:
            self._keep(Calibration(), {})
        return True

    def restore(self) -> None:
        """Go on from the checkpoint in `output`."""
        state = checkpoint.load(self.output / "checkpoint.pt")
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best, self.seconds = state["step"], state["best"], state["seconds"]

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "best": self.best,
            "seconds": self.seconds,
        }
        checkpoint.save(self.output / "checkpoint.pt", state)

    def _take_step(self) -> dict[str, float]:
        recipe, part = self.recipe, self.step / self.steps
        torch.manual_seed(recipe.seed * 1_000_003 + self.step)
        batch = self._batch()
        sampling = recipe.model.get("pixel_sampling") if part < recipe.schedule.all_pixels_from else None
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * _rate(part, recipe.schedule.warmup)
        bfloat16 = recipe.schedule.precision == "bfloat16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bfloat16):
            found = losses(
                self.model,
                batch,
                recipe.objectives,
                part=part,
                sampling=sampling,
                mask_id=self.special["[MASK]"],
            )
            loss = total(found, recipe.objectives)
        if not bool(torch.isfinite(loss)):
            raise TrainingError(f"step {self.step}: the loss is {loss.item()}. Lower the learning rate in the recipe.")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._trained(), recipe.schedule.clip_norm)
        self.optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=math.log(100.0))
        self._average()
        return {"loss": loss.item(), **{name: value.item() for name, value in found.items()}}

    def _batch(self) -> Batch:
        rows, chosen = self.batches[self.step]
        captions = [self.captions[row][caption] for row, caption in zip(rows, chosen, strict=True)]
        if self.cached:
            view = np.random.default_rng([self.recipe.seed, self.step]).integers(len(self.cached), size=len(rows))
            features = torch.from_numpy(np.stack([self.cached[v][row] for v, row in zip(view, rows, strict=True)]))
            features = features.to(self.device).float()
        else:
            features = self.model.pixelbert.pixel_tokens.cnn(self.photos.batch(rows, augment=True))
        text = self.processor.text(captions)
        input_ids = torch.from_numpy(text["input_ids"]).to(self.device)
        mask = torch.from_numpy(text["attention_mask"]).to(self.device)
        special = torch.isin(input_ids, torch.tensor(list(self.special.values()), device=self.device))
        return Batch(features, input_ids, mask, mask & ~special)

    def _judge(self) -> None:
        """Measure dev recall with the averaged weights, and keep them when they are the best yet."""
        if not self.dev:
            return
        runtime = TorchRuntime(self.average, self.processor)
        lists = rerank_photos(runtime, encode_collection(runtime, self.dev, self.processor), self.recipe.dev.shortlist)
        calibration = Calibration.fit(lists.similarities, lists.itm_logits, lists.relevant)
        figures = {
            "shortlist": recall(lists.similarity_ranks),
            "itm": recall(lists.ranks(lists.itm_logits)),
            "rerank": recall(lists.ranks(calibration.score(lists.itm_logits, lists.similarities))),
        }
        self._log({"step": self.step, "seconds": round(self.seconds), "dev": figures})
        tqdm.write(f"step {self.step}: dev {json.dumps(figures)}")
        if figures["rerank"]["r@1"] >= self.best:
            self.best = figures["rerank"]["r@1"]
            self._keep(calibration, figures)

    def _keep(self, calibration: Calibration, figures: dict[str, Any]) -> None:
        folder = self.output / "weights"
        kept = copy.deepcopy(self.average).half()
        kept.config.pixel_sampling = self.recipe.model.get("pixel_sampling")
        kept.save_pretrained(folder)
        self.processor.save_pretrained(folder)
        calibration.save(folder)
        write_card(
            folder,
            recipe=self.recipe,
            photos=len(self.photos),
            captions=sum(map(len, self.captions)),
            steps=self.step,
            seconds=self.seconds,
            device=str(self.device),
            dev_photos=len(self.dev),
            figures=figures,
        )

    def _log(self, record: dict[str, Any]) -> None:
        with (self.output / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def _trained(self) -> list[Tensor]:
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

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

    def _optimizer(self) -> torch.optim.AdamW:
        groups: dict[tuple[float, float], list[Tensor]] = defaultdict(list)
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                peak = self.recipe.cnn.lr if ".backbone." in name else self.recipe.schedule.lr
                groups[peak, self.recipe.schedule.weight_decay if parameter.ndim > 1 else 0.0].append(parameter)
        return torch.optim.AdamW(
            [{"params": some, "peak": peak, "weight_decay": decay} for (peak, decay), some in groups.items()],
            betas=(0.9, 0.98),
            fused=True,
        )


def _rate(part: float, warmup: float) -> float:
    """The learning rate at `part` of the run, relative to its peak: linear warm-up, then a cosine to zero."""
    if part < warmup:
        return (part + 1e-3) / (warmup + 1e-3)
    return 0.5 * (1.0 + math.cos(math.pi * (part - warmup) / (1.0 - warmup)))


def _sample_dev(photos: list[CaptionedPhoto], recipe: Recipe) -> list[CaptionedPhoto]:
    """A fixed random part of the dev photos, with as many captions each as the recipe measures."""
    chosen = np.random.default_rng(0).permutation(len(photos))[: recipe.dev.photos]
    return [photos[row].with_captions(recipe.dev.captions) for row in sorted(chosen)]
