"""What the attention of several layers and heads says together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def averaged(attention: NDArray[np.float32], layer: int | None = None, head: int | None = None) -> NDArray[np.float32]:
    """The mean (N, N) of attention (L, heads, N, N) over layers and heads, or over those of one layer or one head."""
    selected = attention if layer is None else attention[layer : layer + 1]
    selected = selected if head is None else selected[:, head : head + 1]
    return np.asarray(selected.mean(axis=(0, 1)))


def rollout(attention: NDArray[np.float32]) -> NDArray[np.float32]:
    """Attention rollout (Abnar, Zuidema 2020, arXiv 2005.00928): (L, heads, N, N), the lowest layer first -> (N, N).

    How much of each token reaches each through all the layers, when half of what leaves a layer is what came in.
    """
    identity = np.eye(attention.shape[-1], dtype=np.float32)
    flow = identity
    for layer in attention.mean(axis=1):
        flow = (layer + identity) / 2 @ flow
    return flow
