"""The training photos: decoded once and kept where they fit into memory, else decoded a step ahead.

With a CNN that is frozen up to some stage, what that stage gives for a few views of each photo is computed once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from model.atomic import replacing
from model.data.shards import CaptionedPhoto
from model.image_processor import MAX_ASPECT_RATIO, PixelBertImageProcessor
from model.network.backbones import run, stages
from model.network.pixelbert import PixelBertForPreTraining
from model.training.augmentation import random_views
from model.training.digests import digest_of, photos_digest, weights_digest
from model.training.recipe import Augmentation

_BATCH = 32


class TrainingPhotos:
    """N photos as the CNN reads them: (H, W, 3) uint8 each."""

    def __init__(
        self,
        photos: Sequence[CaptionedPhoto],
        processor: PixelBertImageProcessor,
        augmentation: Augmentation,
        device: torch.device,
        *,
        memory: float | None = None,
    ) -> None:
        """`memory` is how many bytes they may take: half of the machine's unless given."""
        self._photos = photos
        self._processor = processor
        self._augmentation = augmentation
        self._device = device
        self._mean = torch.tensor(processor.image_mean, device=device)[:, None, None]
        self._std = torch.tensor(processor.image_std, device=device)[:, None, None]
        self._threads = ThreadPoolExecutor()
        self._ahead: dict[int, Future[NDArray[np.uint8]]] = {}
        self._decoded: list[NDArray[np.uint8]] = []
        largest = 3.0 * processor.image_size**2 * (1.0 if processor.aspect == "squash" else MAX_ASPECT_RATIO)
        if len(photos) * largest <= (_half_of_memory() if memory is None else memory):
            decoded = self._threads.map(self._decode, range(len(photos)))
            self._decoded = list(tqdm(decoded, total=len(photos), desc="decode", unit="photo"))

    def __len__(self) -> int:
        return len(self._photos)

    def expect(self, rows: NDArray[np.int64]) -> None:
        """Start decoding the photos of a step to come, unless they are in memory."""
        if not self._decoded:
            new = [row for row in rows.tolist() if row not in self._ahead]
            self._ahead |= {row: self._threads.submit(self._decode, row) for row in new}

    def batch(self, rows: NDArray[np.int64], *, augment: bool) -> tuple[Tensor, Tensor | None]:
        """Normalised photos (B, 3, H, W) on the device, random views of them when `augment`.

        Beside them a mask (B, H, W), True on the photo and False on its padding; None where nothing is padding.
        """
        self.expect(rows)
        pixels = [self._decoded[row] if self._decoded else self._ahead.pop(row).result() for row in rows.tolist()]
        height, width = (max(image.shape[side] for image in pixels) for side in (0, 1))
        mask = None
        if all(image.shape == (height, width, 3) for image in pixels):
            stacked = np.stack(pixels)
        else:
            stacked = np.zeros((len(pixels), height, width, 3), dtype=np.uint8)
            on_photo = np.zeros((len(pixels), height, width), dtype=np.bool_)
            for row, image in enumerate(pixels):
                stacked[row, : image.shape[0], : image.shape[1]] = image
                on_photo[row, : image.shape[0], : image.shape[1]] = True
            mask = torch.from_numpy(on_photo).to(self._device)
        values = torch.from_numpy(stacked).to(self._device).permute(0, 3, 1, 2)
        a = self._augmentation
        if augment and a.enabled:
            values = random_views(values, crop=a.crop, colour=a.colour, flip=a.flip)
        values = ((values - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        return (values if mask is None else values * mask[:, None]), mask

    def fingerprint(self) -> str:
        """A digest of the photos, their order, their captions and how they are read."""
        p = self._processor
        return digest_of(
            photos_digest(self._photos), p.image_size, p.aspect, p.image_mean, p.image_std, self._augmentation
        )

    def _decode(self, row: int) -> NDArray[np.uint8]:
        return self._photos[row].decode(self._processor)


def stage_features(
    model: PixelBertForPreTraining, photos: TrainingPhotos, *, frozen_stages: int, views: int, seed: int, cache: Path
) -> list[NDArray[np.float16]]:
    """What the CNN's frozen stages give for several views of every photo: for each view (N, C, h, w) float16.

    View 0 is the photo itself, the others are random views. Each view is kept as a file in folder `cache`, mapped from
    there, and made again only when photos, backbone, stages, their weights, augmentation or seed are others. Needs
    photos of one size.
    """
    cache.mkdir(parents=True, exist_ok=True)
    frozen = stages(model.pixelbert.pixel_tokens.backbone)[:frozen_stages]
    stamp = digest_of(photos.fingerprint(), model.config.backbone, frozen_stages, weights_digest(frozen), seed)
    paths = [cache / f"view-{view}-{stamp}.npy" for view in range(views)]
    for view, path in enumerate(paths):
        if not path.exists():
            torch.manual_seed(seed + view)
            features = _view(frozen, photos, view)
            with replacing(path) as new, new.open("wb") as file:
                np.save(file, features)
    return [np.load(path, mmap_mode="r") for path in paths]


@torch.inference_mode()
def _view(frozen: list[nn.Sequential], photos: TrainingPhotos, view: int) -> NDArray[np.float16]:
    features = None
    for start in tqdm(range(0, len(photos), _BATCH), desc=f"CNN, view {view}", unit="batch"):
        rows = np.arange(start, min(start + _BATCH, len(photos)))
        values, _ = photos.batch(rows, augment=view > 0)
        batch = run(frozen, values).to(torch.float16).cpu().numpy()
        if features is None:
            features = np.empty((len(photos), *batch.shape[1:]), dtype=np.float16)
        features[rows] = batch
    if features is None:
        raise ValueError("there are no photos to train on")
    return features


def _half_of_memory() -> float:
    try:
        return 0.5 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):  # not on Windows
        return 0.0
