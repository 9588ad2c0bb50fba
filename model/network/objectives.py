"""The training objectives, as pure functions of what the network gives.

MLM and ITM are the paper's (section 3.3); ITC and mined negatives follow ALBEF (arXiv 2107.07651).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = -100  # the label of a word that is not to be predicted
_NEVER = -1e4  # far below any scaled similarity, and finite: minus infinity has no gradient where nothing else is left


def itc_loss(similarities: Tensor, owner: Tensor, twins: Tensor) -> Tensor:
    """Image-text contrast in both directions: (M, B) scaled similarities of M captions and B photos.

    Caption m was written about photo `owner[m]` (M,). Each caption is told from all photos, and each photo from
    the captions of others once for every caption of its own: all of those are positives, none is the negative
    of another. Pairs of `twins` (M, B) are left out of the contrast. With a caption a photo it is CLIP's loss.
    """
    similarities = similarities.masked_fill(twins, _NEVER)
    own = functional.one_hot(owner, similarities.shape[1]).bool()  # (M, B)
    positives = similarities[own]  # (M,)
    strangers = similarities.masked_fill(own, _NEVER).logsumexp(0)[owner]  # (M,), of each caption's photo
    by_caption = functional.cross_entropy(similarities, owner)
    by_photo = (torch.logaddexp(positives, strangers) - positives).mean()
    return (by_caption + by_photo) / 2


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


def twins(input_ids: Tensor, owner: Tensor) -> Tensor:
    """Which photos have a caption word for word like one that is not theirs: captions (M, T) -> (M, B) bool.

    Caption m was written about photo `owner[m]` (M,). It does not tell the two photos apart, so neither is a
    negative of the other's.
    """
    same = (input_ids[:, None] == input_ids[None]).all(-1).float()  # (M, M)
    own = functional.one_hot(owner).float()  # (M, B)
    return ((same @ own) > 0) & ~own.bool()


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


def itm_balanced_loss(logits: Tensor, true: Tensor) -> Tensor:
    """Binary cross-entropy of ITM logits (B,) of which those `true` (B,) belong to true pairs (paper, section 3.3)."""
    return functional.binary_cross_entropy_with_logits(logits, true.to(logits.dtype))


def words_loss(logits: Tensor, shares: Tensor) -> Tensor:
    """Which words people use of a photo: binary cross-entropy, summed over words and in the mean over photos.

    `logits` and `shares` are (B, V); a word is as true of a photo as the share of its captions that use it (0 to 1).
    """
    return functional.binary_cross_entropy_with_logits(logits, shares, reduction="sum") / len(logits)


def hardest(negatives: Tensor, count: int) -> Tensor:
    """The places (B, count) of the negatives with the highest logits in (B, K) (paper, section 4.2: 5 of 20)."""
    return negatives.topk(min(count, negatives.shape[1]), dim=1).indices
