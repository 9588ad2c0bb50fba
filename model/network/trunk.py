"""BERT's encoder over words, over pixels, or over both."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.network.configuration import PixelBertConfig
from model.network.pixels import Tokens


class WordTokens(nn.Module):
    """Word embeddings: LayerNorm(token + position) (paper, section 3.2)."""

    def __init__(self, config: PixelBertConfig) -> None:
        super().__init__()
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tokens:
        """Tokens (B, T, D) of word pieces (B, T)."""
        positions = self.positions.weight[: input_ids.shape[1]]
        states = self.dropout(self.norm(self.words(input_ids) + positions))
        return Tokens(states, None if attention_mask is None else attention_mask.bool())


class TransformerLayer(nn.Module):
    """One layer of BERT: self-attention and a feed-forward part, each followed by add & norm."""

    def __init__(self, config: PixelBertConfig) -> None:
        super().__init__()
        size, eps = config.hidden_size, config.layer_norm_eps
        self.heads = config.num_attention_heads
        self.attention_dropout = config.attention_probs_dropout_prob
        self.query = nn.Linear(size, size)
        self.key = nn.Linear(size, size)
        self.value = nn.Linear(size, size)
        self.attention_output = nn.Linear(size, size)
        self.attention_norm = nn.LayerNorm(size, eps=eps)
        self.intermediate = nn.Linear(size, config.intermediate_size)
        self.output = nn.Linear(config.intermediate_size, size)
        self.output_norm = nn.LayerNorm(size, eps=eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, tokens: Tokens, num_queries: int | None = None) -> Tokens:
        """Update every token, or only the first `num_queries` of them (which attend to all)."""
        states, mask = tokens
        queries = states if num_queries is None else states[:, :num_queries]  # (B, Q, D)
        attended = functional.scaled_dot_product_attention(
            self._split(self.query(queries)),
            self._split(self.key(states)),
            self._split(self.value(states)),
            attn_mask=None if mask is None else mask[:, None, None, :],
            dropout_p=self.attention_dropout if self.training else 0.0,
        )  # (B, heads, Q, D / heads)
        return Tokens(self._update(queries, attended), mask if mask is None else mask[:, : queries.shape[1]])

    def attention(self, tokens: Tokens) -> Tensor:
        """How much each token attends to each: probabilities (B, heads, T, T)."""
        states, mask = tokens
        query, key = self._split(self.query(states)), self._split(self.key(states))
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5  # (B, heads, T, T)
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], float("-inf"))
        probabilities: Tensor = scores.softmax(-1)
        return probabilities

    def forward_with_attention(self, tokens: Tokens, probabilities: Tensor) -> Tokens:
        """As `forward` in evaluation mode, with these attention probabilities (B, heads, T, T)."""
        states, mask = tokens
        return Tokens(self._update(states, probabilities @ self._split(self.value(states))), mask)

    def _update(self, queries: Tensor, attended: Tensor) -> Tensor:
        """Tokens (B, Q, D) and the output of their attention heads (B, heads, Q, D / heads) -> their new states."""
        attended = self.attention_output(attended.transpose(1, 2).flatten(2))
        states = self.attention_norm(queries + self.dropout(attended))
        ffn_output = self.output(functional.gelu(self.intermediate(states)))
        updated: Tensor = self.output_norm(states + self.dropout(ffn_output))
        return updated

    def _split(self, states: Tensor) -> Tensor:
        split: Tensor = states.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, T, D / heads)
        return split


def concatenate(words: Tokens, pixels: Tokens) -> Tokens:
    """`[CLS] words [SEP] pixels`: (B, T, D) and (B, P, D) -> (B, T + P, D)."""
    states = torch.cat([words.states, pixels.states], dim=1)
    if words.mask is None and pixels.mask is None:
        return Tokens(states, None)
    masks = [
        tokens.mask if tokens.mask is not None else tokens.states.new_ones(tokens.states.shape[:2], dtype=torch.bool)
        for tokens in (words, pixels)
    ]
    return Tokens(states, torch.cat(masks, dim=1))


def mean(tokens: Tokens) -> Tensor:
    """The mean of the valid tokens: (B, T, D) -> (B, D)."""
    states, mask = tokens
    if mask is None:
        return states.mean(1)
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1.0)
