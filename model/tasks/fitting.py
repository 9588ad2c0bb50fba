"""Fit a head to the outputs of a frozen trunk."""

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

MAX_ANSWERS = 3129  # of VQA v2, paper, section 4.2
_MIN_QUESTIONS = 2  # questions that an answer is right for
_EPOCHS, _BATCH, _LR, _WEIGHT_DECAY, _WARMUP = 12, 64, 5e-4, 0.05, 0.1


def labels_of(task: Task, learned: Sequence[Example]) -> list[str]:
    """The labels of a head for `task`: the most frequent answers, or false and true."""
    if task != "vqa":
        return list(TRUTH)
    return frequent_answers((example.question for example in learned), MAX_ANSWERS, least=_MIN_QUESTIONS)


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
    all_targets = torch.from_numpy(targets([example.question for example in learned], labels))
    optimizer = torch.optim.AdamW(head.parameters(), lr=_LR, weight_decay=_WEIGHT_DECAY)
    batches = torch.cat([torch.randperm(len(read)) for _ in range(_EPOCHS)]).split(_BATCH)
    steps = len(batches)
    rates = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1.0, (step + 1) / (_WARMUP * steps)) * (1 + math.cos(math.pi * step / steps)) / 2,
    )
    for batch in tqdm(batches, desc=f"{task}: head", unit="step", disable=not progress):
        logits = head(read[batch])
        loss = (
            answer_loss(logits, all_targets[batch])
            if task == "vqa"
            else functional.cross_entropy(logits, all_targets[batch])
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        rates.step()
    head.eval()
    return head
