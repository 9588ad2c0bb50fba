"""The training objectives, as pure functions of what the network gives.

MLM and ITM are the paper's (section 3.4); ITC and mined negatives follow ALBEF (arXiv 2107.07651).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = -100  # the label of a word that is not to be predicted


def itc_loss(similarities: Tensor, twins: Tensor) -> Tensor:
    """Image-text contrast in both directions: (B, B) scaled similarities, sentence i belongs to photo i.

    Pairs of `twins` (B, B) are left out of the contrast.
    """
    similarities = similarities.masked_fill(twins, -torch.inf)
    labels = torch.arange(len(similarities), device=similarities.device)
    return (functional.cross_entropy(similarities, labels) + functional.cross_entropy(similarities.T, labels)) / 2


def mask_words(input_ids: Tensor, maskable: Tensor, *, mask_id: int, vocab_size: int) -> tuple[Tensor, Tensor]:
    """BERT's masking: 15 % of the words, of them 80 % `[MASK]`, 10 % another word, 10 % left as they are.

    `input_ids` (B, T); `maskable` (B, T) is True where a word may be masked (no special tokens). At least
    one word of every sentence that has any is chosen. Returns the masked ids and the labels (B, T),
    IGNORED where nothing is to be predicted.
    """
    order = torch.rand(input_ids.shape, device=input_ids.device).masked_fill(~maskable, 2.0)
    chosen = maskable & ((order < 0.15) | (order == order.amin(dim=1, keepdim=True)))
    labels = torch.where(chosen, input_ids, IGNORED)
    action = torch.rand(input_ids.shape, device=input_ids.device)
    masked = torch.where(chosen & (action < 0.8), mask_id, input_ids)
    random_words = torch.randint_like(input_ids, vocab_size)
    return torch.where(chosen & (action >= 0.9), random_words, masked), labels


def twins(input_ids: Tensor) -> Tensor:
    """Which captions (B, T) are word for word the same: (B, B) bool, False on the diagonal.

    Their photos are not told apart by the caption, so neither is a negative of the other.
    """
    same = (input_ids[:, None] == input_ids[None]).all(-1)
    return same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)


def draw_negatives(similarities: Tensor, count: int, hardness: float, twins: Tensor) -> Tensor:
    """For each row of (B, B) scaled similarities, `count` other columns (B, count), without replacement.

    `hardness` 0 draws uniformly, 1 in proportion to the softmax of the similarities (ALBEF). The diagonal
    is the positive and is never drawn: every photo occurs once in a batch, so no negative shows it.
    `twins` (B, B) are drawn only where nothing else is left.
    """
    weights = functional.softmax(similarities.detach().float() * hardness, dim=1)
    weights = weights.nan_to_num(0.0) + 1e-6  # a run that diverged is stopped at its loss, not here
    weights = weights.masked_fill(twins, 1e-12)
    weights = weights.masked_fill(torch.eye(len(weights), dtype=torch.bool, device=weights.device), 0.0)
    return torch.multinomial(weights, count)


def itm_listwise_loss(positive: Tensor, negatives: Tensor) -> Tensor:
    """Softmax cross-entropy of each positive (B,) against its own negatives (B, K)."""
    logits = torch.cat([positive[:, None], negatives], dim=1)
    return functional.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long))


def itm_sigmoid_loss(positive: Tensor, negatives: Tensor) -> Tensor:
    """Binary cross-entropy with positives and negatives in balance: (B,) and (B, K).

    It ties the logit to zero between the two, so that a score means the same for every sentence.
    """
    return (functional.softplus(-positive).mean() + functional.softplus(negatives).mean()) / 2
