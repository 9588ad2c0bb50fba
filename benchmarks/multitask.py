"""What it costs or brings each task when retrieval, questions and statements train one trunk together.

python -m benchmarks.multitask --data SHARD [--data SHARD]

The layers above the fusion layer and the heads beside the weights are trained further, for the same number of steps of
each task; the layers below stay as they are, and what they give is computed once. Retrieval learns by ITC, questions
and generated statements about pairs as in docs/questions.md. Measured on the dev photos: small, and meant to compare
the rows with each other.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from benchmarks.machine import machine
from model.data.shards import CaptionedPhoto, read_shards
from model.heads import PHOTOS, Head, Task
from model.metrics import mean_interval, ranks
from model.network.configuration import PixelBertConfig
from model.network.heads import TaskHead, answer_loss, load_head, summary
from model.network.objectives import itc_loss, twins
from model.network.pixelbert import PixelBertForImageTextRetrieval
from model.network.pixels import Tokens
from model.processor import PixelBertProcessor
from model.runtime.loading import load_runtime
from model.runtime.torch_runtime import load_network
from model.tasks.answers import accuracy, targets
from model.tasks.examples import Example, examples
from model.tasks.summaries import encode_photos
from model.weights import DEFAULT, find_weights, generation

ROWS = (("retrieval",), ("vqa",), ("pairs",), ("retrieval", "vqa"), ("retrieval", "vqa", "pairs"))
HEADS: tuple[Task, ...] = ("vqa", "pairs")
BATCH = {"retrieval": 64, "vqa": 32, "pairs": 16}
LR, HEAD_LR, WEIGHT_DECAY, WARMUP = 1e-4, 5e-4, 0.05, 0.1


@dataclass(frozen=True)
class Data:
    """Train and dev photos, and what is asked about them."""

    photos: dict[str, list[CaptionedPhoto]]
    asked: dict[Task, dict[str, list[Example]]]
    known: dict[Task, Head]
    heads: dict[Task, TaskHead]
    features: dict[str, NDArray[np.float16]]  # of each photo, at the fusion layer
    processor: PixelBertProcessor

    @classmethod
    def read(cls, weights: Path, shards: Sequence[Path]) -> Data:
        """Everything about the photos of `shards` that have captions or questions."""
        processor = PixelBertProcessor.from_pretrained(weights)
        photos = {split: read_shards(shards, split, captioned=False) for split in ("train", "dev")}
        asked = {task: {split: examples(task, some) for split, some in photos.items()} for task in HEADS}
        config, made_for = PixelBertConfig.from_pretrained(weights), generation(weights)
        known = {task: Head.load(weights, task, made_for) for task in HEADS}
        heads = {task: load_head(weights, task, config) for task in HEADS}
        features = encode_photos(load_runtime(weights), processor, [one for some in photos.values() for one in some])
        captioned = {split: [photo for photo in some if photo.captions] for split, some in photos.items()}
        return cls(captioned, asked, known, heads, features, processor)

    def pixels(self, keys: Sequence[str]) -> Tokens:
        """The photos of one size with these keys: (B, P, D)."""
        return Tokens(torch.from_numpy(np.stack([self.features[key] for key in keys])).float(), None)

    def words(self, network: PixelBertForImageTextRetrieval, sentences: Sequence[str]) -> tuple[Tensor, Tokens]:
        """Word pieces (B, T), and their states at the fusion layer, which is not trained."""
        text = self.processor.text(sentences)
        ids, mask = (torch.from_numpy(text[name]) for name in ("input_ids", "attention_mask"))
        with torch.no_grad():
            return ids, network.pixelbert.words(ids, mask)


class Shared(nn.Module):
    """One trunk with the heads of all tasks."""

    def __init__(self, network: PixelBertForImageTextRetrieval, data: Data) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        for layer in self.network.pixelbert.layers[network.config.fusion_layer :]:
            layer.requires_grad_(True)
        self.network.text_projection.requires_grad_(True)
        self.network.image_projection.requires_grad_(True)
        self.heads = nn.ModuleDict({task: copy.deepcopy(head) for task, head in data.heads.items()})

    def similarities(
        self, data: Data, photos: Sequence[CaptionedPhoto], sentences: Sequence[str]
    ) -> tuple[Tensor, Tensor]:
        """Word pieces (M, T) of sentences, and their similarities to photos (M, B)."""
        ids, words = data.words(self.network, sentences)
        shown = self.network.embed_image(data.pixels([photo.key for photo in photos]))
        return ids, self.network.embed_text(words) @ shown.T

    def logits(self, data: Data, task: Task, some: Sequence[Example]) -> Tensor:
        """Of each label (B, L)."""
        _, words = data.words(self.network, [one.question.question for one in some])
        photos = [data.pixels([one.photos[place] for one in some]) for place in range(PHOTOS[task])]
        found: Tensor = self.heads[task](summary(self.network.pixelbert, words, photos))
        return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, action="append")
    parser.add_argument("--weights", default=DEFAULT)
    parser.add_argument("--steps", type=int, default=100, help="of each task in a row (default: 100)")
    arguments = parser.parse_args()

    weights = find_weights(arguments.weights)
    network, data = load_network(weights), Data.read(weights, arguments.data)
    dev = len(data.photos["dev"])
    print(f"| trained further on | R@1 by similarity, {dev} photos | questions right | statements right |")
    print("|---|---|---|---|")
    for row in ((), *ROWS):
        shared = trained(network, data, row, arguments.steps)  # without tasks as it is
        cells = [interval(found_first(shared, data))]
        cells += [interval(right(shared, data, task)) for task in HEADS]
        print(f"| {' + '.join(row) or 'nothing'} | {' | '.join(cells)} |", flush=True)
    print(f"\n{arguments.steps} steps of each task, one seed; 95 % intervals by bootstrap. {machine()}")


def trained(network: PixelBertForImageTextRetrieval, data: Data, tasks: Sequence[str], steps: int) -> Shared:
    """The trunk after so many steps of each of `tasks`, taken in turn."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    shared = Shared(network, data).train()
    heads = [parameter for name, parameter in shared.named_parameters() if name.startswith("heads.")]
    trunk = [parameter for parameter in shared.network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        [{"params": trunk, "lr": LR}, {"params": heads, "lr": HEAD_LR}], weight_decay=WEIGHT_DECAY
    )
    rates = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / (WARMUP * steps)) * (1 + np.cos(np.pi * step / steps)) / 2
    )
    losses: dict[str, Callable[[], Tensor]] = {
        "retrieval": lambda: retrieval_loss(shared, data, random),
        "vqa": lambda: task_loss(shared, data, "vqa", random),
        "pairs": lambda: task_loss(shared, data, "pairs", random),
    }
    for _ in tqdm(range(steps if tasks else 0), desc=" + ".join(tasks), unit="step", disable=not tasks):
        for task in tasks:
            optimizer.zero_grad()
            losses[task]().backward()
            torch.nn.utils.clip_grad_norm_([*trunk, *heads], 1.0)
            optimizer.step()
        rates.step()
    return shared.eval()


def retrieval_loss(shared: Shared, data: Data, random: np.random.Generator) -> Tensor:
    """ITC of a batch of photos with one caption each."""
    train = data.photos["train"]
    photos = [train[row] for row in random.choice(len(train), BATCH["retrieval"], replace=False).tolist()]
    ids, similarities = shared.similarities(data, photos, [str(random.choice(photo.captions)) for photo in photos])
    owner = torch.arange(len(photos))
    return itc_loss(similarities * shared.network.logit_scale.exp(), owner, twins(ids, owner))


def task_loss(shared: Shared, data: Data, task: Task, random: np.random.Generator) -> Tensor:
    """What a head's training is about, of a batch of examples."""
    learned = data.asked[task]["train"]
    some = [learned[row] for row in random.choice(len(learned), BATCH[task], replace=False).tolist()]
    wanted = torch.from_numpy(targets([one.question for one in some], data.known[task].labels))
    logits = shared.logits(data, task, some)
    return answer_loss(logits, wanted) if task == "vqa" else functional.cross_entropy(logits, wanted)


@torch.inference_mode()
def found_first(shared: Shared, data: Data) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Whether each dev caption has its photo first, and the photo."""
    shared.eval()
    photos = data.photos["dev"]
    owner = np.array([row for row, photo in enumerate(photos) for _ in photo.captions])
    _, similarities = shared.similarities(data, photos, [caption for photo in photos for caption in photo.captions])
    relevant = owner[:, None] == np.arange(len(photos))
    return (ranks(similarities.numpy(), relevant) < 1).astype(np.float64), owner


@torch.inference_mode()
def right(shared: Shared, data: Data, task: Task) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How right each dev example's likeliest label is, 0 to 1, and the photo it is about."""
    some = data.asked[task]["dev"]
    size = BATCH[task]
    parts = [shared.logits(data, task, some[start : start + size]) for start in range(0, len(some), size)]
    said = torch.cat(parts).argmax(1).tolist()
    numbers = {key: number for number, key in enumerate(data.features)}
    correct = [
        accuracy(data.known[task].labels[label], one.question.answers) for label, one in zip(said, some, strict=True)
    ]
    return np.array(correct), np.array([numbers[one.photos[0]] for one in some])


def interval(values: tuple[NDArray[np.float64], NDArray[np.int64]]) -> str:
    """The mean in percent, and its 95 % interval."""
    mean, low, high = mean_interval(*values)
    return f"{100 * mean:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


if __name__ == "__main__":
    main()
