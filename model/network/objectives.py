"""The training objectives, as pure functions of the outputs of the network.

MLM and ITM are the paper's (section 3.3); ITC and mined negatives follow ALBEF (arXiv 2107.07651).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = -100  # the label of a token that is not predicted
_EXCLUDED = -1e4  # far below any similarity, yet finite: a row of minus infinity alone has no gradient


def itc_loss(similarities: Tensor, caption_to_image: Tensor, duplicates: Tensor) -> Tensor:
    """Image-text contrast in both directions: (M, B) scaled similarities of M captions and B photos.

    Caption m was written about photo `caption_to_image[m]` (M,). Each caption is classified among all photos, and each
    photo once per caption of its own, against the captions of other photos only: the captions of one photo are all
    positives, and never negatives of each other. Pairs of `duplicates` (M, B) are left out of the contrast. With one
    caption per photo it is CLIP's loss.
    """
    similarities = similarities.masked_fill(duplicates, _EXCLUDED)
    own = functional.one_hot(caption_to_image, similarities.shape[1]).bool()  # (M, B)
    positives = similarities[own]  # (M,)
    negatives = similarities.masked_fill(own, _EXCLUDED).logsumexp(0)[caption_to_image]  # (M,), of each caption's photo
    by_caption = functional.cross_entropy(similarities, caption_to_image)
    by_photo = (torch.logaddexp(positives, negatives) - positives).mean()
    return (by_caption + by_photo) / 2


def mask_words(input_ids: Tensor, maskable: Tensor, *, mask_id: int, vocab_size: int) -> tuple[Tensor, Tensor]:
    """BERT's masking: 15 % of the words, of them 80 % `[MASK]`, 10 % another word, 10 % left as they are.

    `input_ids` (B, T); `maskable` (B, T) is True on words and False on special tokens. At least one word of every
    sentence that has words is selected. Returns the masked ids and the labels (B, T), IGNORED on other tokens.
    """
    order = torch.rand(input_ids.shape, device=input_ids.device).masked_fill(~maskable, 2.0)
    selected = maskable & ((order < 0.15) | (order == order.amin(dim=1, keepdim=True)))
    labels = torch.where(selected, input_ids, IGNORED)
    action = torch.rand(input_ids.shape, device=input_ids.device)
    masked = torch.where(selected & (action < 0.8), mask_id, input_ids)
    random_words = torch.randint_like(input_ids, vocab_size)
    return torch.where(selected & (action >= 0.9), random_words, masked), labels


def duplicate_captions(input_ids: Tensor, caption_to_image: Tensor) -> Tensor:
    """Which photos have the same caption as a caption of another photo: captions (M, T) -> (M, B) bool.

    Caption m was written about photo `caption_to_image[m]` (M,). True where photo b is another one and has a caption
    with the same tokens: it is then no negative of caption m.
    """
    same = (input_ids[:, None] == input_ids[None]).all(-1).float()  # (M, M)
    own = functional.one_hot(caption_to_image).float()  # (M, B)
    return ((same @ own) > 0) & ~own.bool()


def draw_negatives(similarities: Tensor, count: int, hardness: float, duplicates: Tensor) -> Tensor:
    """For each row of (B, B) scaled similarities, `count` other columns (B, count), without replacement.

    `hardness` 0 draws uniformly, 1 in proportion to the softmax of the similarities (ALBEF). The diagonal is the
    positive pair and is never drawn; each photo occurs once in a batch. Pairs of `duplicates` (B, B) are drawn only
    where there are no other columns.
    """
    weights = functional.softmax(similarities.detach().float() * hardness, dim=1)
    weights = weights.nan_to_num(0.0) + 1e-6  # the loss stops a run that diverged
    weights = weights.masked_fill(duplicates, 1e-12)
    weights = weights.masked_fill(torch.eye(len(weights), dtype=torch.bool, device=weights.device), 0.0)
    return torch.multinomial(weights, count)


def itm_listwise_loss(positive: Tensor, negatives: Tensor) -> Tensor:
    """Softmax cross-entropy of each positive (B,) against its own negatives (B, K)."""
    logits = torch.cat([positive[:, None], negatives], dim=1)
    return functional.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long))


def itm_sigmoid_loss(positive: Tensor, negatives: Tensor) -> Tensor:
    """Binary cross-entropy with positives and negatives in balance: (B,) and (B, K).

    It puts the boundary between positives and negatives at logit zero, so that logits of different sentences compare.
    """
    return (functional.softplus(-positive).mean() + functional.softplus(negatives).mean()) / 2


def itm_balanced_loss(logits: Tensor, true: Tensor) -> Tensor:
    """Binary cross-entropy of ITM logits (B,); `true` (B,) marks the true pairs (paper, section 3.3)."""
    return functional.binary_cross_entropy_with_logits(logits, true.to(logits.dtype))


def words_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of the words that people use for a photo: summed over words, averaged over photos.

    `logits` and `targets` are (B, V); the target of a word is the fraction of the photo's captions that use it.
    """
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(logits)


def hardest_negatives(negatives: Tensor, count: int) -> Tensor:
    """The columns (B, count) of the highest logits in (B, K) (paper, section 4.2: 5 of 20)."""
    return negatives.topk(min(count, negatives.shape[1]), dim=1).indices
