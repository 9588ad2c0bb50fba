"""The batches of a run: photos, or the stored output of the CNN's frozen stages, and tokenized or embedded captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from model.atomic import replacing
from model.data.shards import CaptionedPhoto
from model.network.pixelbert import PixelBertForPreTraining
from model.processor import SPECIAL_TOKENS, PixelBertProcessor, TextInputs
from model.runtime.torch_runtime import TorchRuntime
from model.scoring.word_learning import WordHead, used_words
from model.training.digests import digest_of, weights_digest
from model.training.errors import TrainingError
from model.training.photos import TrainingPhotos, stage_features
from model.training.processes import Processes
from model.training.recipe import Recipe
from model.training.start import freeze, start_detectors
from model.training.step import Batch

_CAPTIONS = 256  # embedded at a time
_MAX_STANDARDISED_PHOTOS = 512  # from which the word head takes mean and spread of each feature
_PHOTOS = 32  # through the CNN at a time


class TrainingInputs:
    """The photos and captions of a run, as the network reads them; photos go by their row among all train photos.

    It freezes the CNN's first stages where the recipe says so, and keeps what is computed once under `output`.
    """

    def __init__(
        self,
        recipe: Recipe,
        photos: Sequence[CaptionedPhoto],
        model: PixelBertForPreTraining,
        processor: PixelBertProcessor,
        output: Path,
        processes: Processes,
    ) -> None:
        self.captions = [photo.captions for photo in photos]
        self._recipe, self._model, self._processor, self._device = recipe, model, processor, processes.device
        self._photos = TrainingPhotos(photos, processor.image_processor, recipe.augmentation, processes.device)
        self.fingerprint = self._photos.fingerprint()
        self.frozen_stages = freeze(model, recipe.cnn.frozen_stages)
        self._stage_features: list[NDArray[np.float16]] = []
        if self.frozen_stages and recipe.cnn.views:
            self._stage_features = self._compute_stage_features(output / "pixel-features", processes)
        self._text_embeds: Tensor | None = None  # (M, E), photo by photo
        self._first_caption = np.cumsum([0, *map(len, self.captions)])[:-1]  # (N,), its row there
        if recipe.schedule.frozen_trunk:
            self._text_embeds = self._embed_captions(output / "text-embeddings")
        self._word_targets: NDArray[np.float32] | None = None  # (N, V)
        vocabulary = processor.tokenizer.get_vocab()
        self.mask_id = vocabulary["[MASK]"]
        self._special_ids = torch.tensor([vocabulary[token] for token in SPECIAL_TOKENS], device=processes.device)

    def expect(self, rows: NDArray[np.int64]) -> None:
        """Start decoding the photos of a later step."""
        if not self._stage_features:
            self._photos.expect(rows)

    def batch(self, rows: NDArray[np.int64], captions: NDArray[np.int64]) -> Batch:
        """The photos `rows` (B,), random views of them, with the `captions` (B, C) of each."""
        features, pixel_mask = self._cnn_features(rows)
        sentences = [
            self.captions[row][caption] for column in captions.T for row, caption in zip(rows, column, strict=True)
        ]
        text = self._processor.tokenize(sentences)
        input_ids = torch.from_numpy(text["input_ids"]).to(self._device)
        attention_mask = torch.from_numpy(text["attention_mask"]).to(self._device)
        text_embeds = word_targets = None
        if self._text_embeds is not None:
            text_rows = torch.from_numpy((self._first_caption[rows] + captions.T).flatten())
            text_embeds = self._text_embeds[text_rows].to(self._device)
        if self._word_targets is not None:
            word_targets = torch.from_numpy(self._word_targets[rows]).to(self._device)
        maskable = attention_mask & ~torch.isin(input_ids, self._special_ids)
        return Batch(features, pixel_mask, input_ids, attention_mask, maskable, text_embeds, word_targets)

    def add_word_head(self, rows: NDArray[np.int64], texts: Sequence[TextInputs]) -> None:
        """Give the network a word head for the words of `texts`, the tokenized captions of the train photos `rows`.

        The head starts from the word detectors of the weights that the run starts from. Raises TrainingError when no
        word is frequent enough.
        """
        tokens = [
            [ids[mask] for ids, mask in zip(text["input_ids"], text["attention_mask"], strict=True)] for text in texts
        ]
        word_ids, targets = used_words(tokens)
        if not len(word_ids):
            raise TrainingError("no word is used for enough train photos to be learned: set objectives.words to 0")
        self._word_targets = np.zeros((len(self.captions), len(word_ids)), dtype=np.float32)
        self._word_targets[rows] = targets
        sample = rows[:: -(-len(rows) // _MAX_STANDARDISED_PHOTOS)]
        pooled_features = self._pooled_features(sample)
        torch.manual_seed(self._recipe.seed)  # how much was drawn before depends on what an earlier run has kept
        head = WordHead(word_ids, targets, pooled_features)
        detectors = start_detectors(self._recipe)
        if len(detectors.ids) and detectors.weights.shape[1] == len(head.centre):
            head.initialize_from(detectors)
        self._model.word_head = head.to(self._device)

    def _cnn_features(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor | None]:
        """The CNN's feature maps (B, C, h, w) of random views of photos, and the mask (B, H, W) of their padding."""
        cnn = self._model.pixelbert.pixel_tokens.cnn
        if not self._stage_features:
            values, pixel_mask = self._photos.batch(rows, augment=True)
            return cnn(values), pixel_mask
        views = torch.randint(len(self._stage_features), (len(rows),)).tolist()
        stored = [self._stage_features[view][row] for view, row in zip(views, rows, strict=True)]
        features = torch.from_numpy(np.stack(stored))
        if self._recipe.augmentation.enabled and self._recipe.augmentation.flip:
            mirrored = torch.rand(len(rows)) < 0.5
            features[mirrored] = features[mirrored].flip(-1)
        features = features.to(self._device).float().contiguous(memory_format=torch.channels_last)
        return cnn(features, after=self.frozen_stages), None

    @torch.inference_mode()
    def _pooled_features(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The pooled features (B, C) of photos without augmentation."""
        cnn = self._model.eval().pixelbert.pixel_tokens.cnn
        pooled = []
        for part in np.array_split(rows, -(-len(rows) // _PHOTOS)):
            if self._stage_features:
                stored = torch.from_numpy(self._stage_features[0][part]).to(self._device).float()
                features = cnn(stored, after=self.frozen_stages)
            else:
                features = cnn(self._photos.batch(part, augment=False)[0])
            pooled.append(features.mean((2, 3)).cpu().numpy())
        return np.concatenate(pooled)

    def _compute_stage_features(self, cache: Path, processes: Processes) -> list[NDArray[np.float16]]:
        self._model.eval()
        cnn = self._recipe.cnn
        settings = {"frozen_stages": self.frozen_stages, "views": cnn.views, "seed": self._recipe.seed}
        if processes.is_first:
            stage_features(self._model, self._photos, cache=cache, **settings)
        processes.wait()
        return stage_features(self._model, self._photos, cache=cache, **settings)

    @torch.inference_mode()
    def _embed_captions(self, cache: Path) -> Tensor:
        """The embeddings (M, E) of all captions, computed once by these weights and kept in folder `cache`.

        They are made again when captions, their tokens (so `max_tokens` too), the weights or the configuration by which
        the weights are read are others.
        """
        trunk = self._model.pixelbert
        weights = weights_digest((trunk.word_tokens, trunk.layers, self._model.text_projection))
        tokens, configuration = self._processor.tokenizer.to_str(), self._model.config.to_json_string()
        path = cache / f"{digest_of(self.fingerprint, tokens, weights, configuration)}.npy"
        if not path.exists():
            captions = [caption for of_photo in self.captions for caption in of_photo]
            runtime = TorchRuntime(self._model, self._processor)
            order = sorted(range(len(captions)), key=lambda row: len(captions[row]))  # little padding
            embeddings = np.empty((len(captions), self._model.config.embedding_size), dtype=np.float32)
            for start in tqdm(range(0, len(order), _CAPTIONS), desc="captions", unit="batch"):
                rows = order[start : start + _CAPTIONS]
                embeddings[rows] = runtime.encode_text([captions[row] for row in rows]).embeddings
            cache.mkdir(exist_ok=True)
            with replacing(path) as new, new.open("wb") as file:
                np.save(file, embeddings)
        return torch.from_numpy(np.load(path))
