"""The training photos, decoded once and kept: as pixels, or as the features of a frozen CNN."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from model.network import PixelBertForPreTraining
from model.processor import PixelBertProcessor
from model.recipe import Augmentation
from model.shards import CaptionedPhoto
from model.training.augmentation import random_views

_BATCH = 32


class TrainingPhotos:
    """N photos as the CNN reads them, in memory: (N, H, W, 3) uint8."""

    def __init__(
        self, pixels: NDArray[np.uint8], processor: PixelBertProcessor, augmentation: Augmentation, device: torch.device
    ) -> None:
        self._pixels = pixels
        self.augmentation = augmentation
        self._device = device
        self._mean = torch.tensor(processor.image_mean, device=device)[:, None, None]
        self._std = torch.tensor(processor.image_std, device=device)[:, None, None]

    def __len__(self) -> int:
        return len(self._pixels)

    def batch(self, rows: NDArray[np.int64], *, augment: bool) -> Tensor:
        """Normalised photos (B, 3, H, W) on the device; random views of them when `augment`."""
        values = torch.from_numpy(self._pixels[rows]).to(self._device).permute(0, 3, 1, 2)
        values = ((values - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        if not augment or not self.augmentation.enabled:
            return values
        a = self.augmentation
        return random_views(values, crop=a.crop, colour=a.colour, flip=a.flip)

    def fingerprint(self) -> str:
        """A digest of the photos and their order, from a few pixels of each."""
        return hashlib.blake2b(self._pixels[:, ::16, ::16].tobytes(), digest_size=16).hexdigest()


def decode_photos(photos: Sequence[CaptionedPhoto], processor: PixelBertProcessor) -> NDArray[np.uint8]:
    """All photos as one array (N, H, W, 3). Needs a processor that squashes."""
    if processor.aspect != "squash":
        raise ValueError("training keeps its photos as one array: it needs aspect = 'squash'")
    size = processor.image_size
    pixels = np.empty((len(photos), size, size, 3), dtype=np.uint8)
    with ThreadPoolExecutor() as threads:
        decoded = threads.map(lambda photo: photo.decode(processor), photos)
        for row, image in enumerate(tqdm(decoded, total=len(photos), desc="decode", unit="photo")):
            pixels[row] = image
    return pixels


def cnn_features(
    model: PixelBertForPreTraining, photos: TrainingPhotos, *, views: int, seed: int, cache: Path
) -> list[NDArray[np.float16]]:
    """The frozen CNN's features of several views of every photo: for each view (N, C, h, w) float16.

    View 0 is the photo itself, the others are random views. Each view is kept as a file in folder
    `cache`, mapped from there, and made again only when photos, augmentation or seed are others.
    """
    cache.mkdir(parents=True, exist_ok=True)
    stamp = hashlib.blake2b(repr((photos.fingerprint(), photos.augmentation, seed)).encode(), digest_size=8)
    paths = [cache / f"view-{view}-{stamp.hexdigest()}.npy" for view in range(views)]
    for view, path in enumerate(paths):
        if not path.exists():
            torch.manual_seed(seed + view)
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                np.save(file, _view(model, photos, view))
            partial.replace(path)
    return [np.load(path, mmap_mode="r") for path in paths]


@torch.inference_mode()
def _view(model: PixelBertForPreTraining, photos: TrainingPhotos, view: int) -> NDArray[np.float16]:
    cnn = model.pixelbert.pixel_tokens.cnn
    features = None
    for start in tqdm(range(0, len(photos), _BATCH), desc=f"CNN, view {view}", unit="batch"):
        rows = np.arange(start, min(start + _BATCH, len(photos)))
        batch = cnn(photos.batch(rows, augment=view > 0)).to(torch.float16).cpu().numpy()
        if features is None:
            features = np.empty((len(photos), *batch.shape[1:]), dtype=np.float16)
        features[rows] = batch
    if features is None:
        raise ValueError("there are no photos to train on")
    return features
