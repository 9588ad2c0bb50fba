"""Fit a head to what a trunk that stays as it is makes of sentences and photos."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from model.heads import PHOTOS, TRUTH, Task
from model.network.configuration import PixelBertConfig
from model.network.heads import TaskHead, answer_loss
from model.tasks.answers import frequent_answers, targets
from model.tasks.examples import Example

MOST_ANSWERS = 3129  # of VQA v2, paper, section 4.2
_LEAST = 2  # questions that an answer is right for
_EPOCHS, _BATCH, _LR, _WEIGHT_DECAY, _WARMUP = 12, 64, 5e-4, 0.05, 0.1


def labels_of(task: Task, learned: Sequence[Example]) -> list[str]:
    """What a head for `task` can say: the most frequent answers, or false and true."""
    if task != "vqa":
        return list(TRUTH)
    return frequent_answers((one.question for one in learned), MOST_ANSWERS, least=_LEAST)


def fit(
    config: PixelBertConfig,
    task: Task,
    learned: Sequence[Example],
    read: Tensor,
    labels: Sequence[str],
    *,
    photos: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> TaskHead:
    """A head trained on the summaries (N, S) of `learned`; with `photos` 0 on those of sentences alone."""
    torch.manual_seed(seed)
    head = TaskHead(config, PHOTOS[task] if photos is None else photos, len(labels))
    wanted = torch.from_numpy(targets([one.question for one in learned], labels))
    optimizer = torch.optim.AdamW(head.parameters(), lr=_LR, weight_decay=_WEIGHT_DECAY)
    batches = torch.cat([torch.randperm(len(read)) for _ in range(_EPOCHS)]).split(_BATCH)
    steps = len(batches)
    rates = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1.0, (step + 1) / (_WARMUP * steps)) * (1 + math.cos(math.pi * step / steps)) / 2,
    )
    for batch in tqdm(batches, desc=f"{task}: head", unit="step", disable=not progress):
        logits = head(read[batch])
        loss = answer_loss(logits, wanted[batch]) if task == "vqa" else functional.cross_entropy(logits, wanted[batch])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        rates.step()
    head.eval()
    return head
