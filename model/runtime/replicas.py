"""A reranker of replicas on Ray Serve, which read the pairs of several requests in one batch.

serve run docs/deploy/reranker.yaml
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from model.opened import OpenedWeights
from model.runtime.loading import load_runtime
from model.runtime.pairs_message import MAX_BYTES, Pairs, pack_logits, unpack
from model.runtime.protocol import EncodedText, PairScorer
from model.weights import DEFAULT, find_weights

if TYPE_CHECKING:
    from ray.serve import Application
    from starlette.requests import Request
    from starlette.responses import Response

BATCH_HEADER = "Pixelseek-Batch"
"""How many requests were in the batch of this one."""
_MAX_REQUESTS = 16
_WAIT_S = 0.005
"""A batch waits so long for a second request."""
_MAX_WAITING = 64
"""Beyond it a request is refused, and its search goes on without a rerank."""


class Arguments(BaseModel):
    """The `args` of the application in the configuration of Ray Serve."""

    model_config = ConfigDict(extra="forbid")

    weights: str = DEFAULT
    """A name or a folder, which each machine must have."""
    device: str = "auto"
    threads: int = 0
    """Of each replica, on a CPU; 0: as many as there are cores."""


class Reranker:
    """One replica: holds the network, and answers with the logits of pairs (`model.runtime.pairs_message`)."""

    def __init__(self, arguments: Arguments) -> None:
        from ray import serve

        weights = OpenedWeights(find_weights(arguments.weights))
        self._generation = weights.generation
        self._runtime = load_runtime(weights, device=arguments.device, threads=arguments.threads)
        self._runtime.prepare(rerank=True)
        self._width = self._runtime.encode_text(["a"]).word_features[0].shape[1]
        batch = serve.batch(max_batch_size=_MAX_REQUESTS, batch_wait_timeout_s=_WAIT_S)
        self._score = batch(self._score_batch)

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        from starlette.responses import PlainTextResponse, Response

        message = bytearray()
        async for part in request.stream():
            message += part
            if len(message) > MAX_BYTES:
                return PlainTextResponse(f"more than {MAX_BYTES} bytes", 413)
        try:
            pairs = unpack(bytes(message))
        except ValueError as error:
            return PlainTextResponse(f"these are no pairs: {error}", 400)
        if pairs.generation != self._generation:
            return PlainTextResponse(f"this replica holds the weights {self._generation}", 409)
        if pairs.pixel_features[0].shape[1] != self._width:  # which would fail the whole batch
            return PlainTextResponse(f"features have {self._width} numbers", 400)
        logits, requests = await self._score(pairs)
        headers = {BATCH_HEADER: str(requests)}
        return Response(pack_logits(logits), media_type="application/octet-stream", headers=headers)

    async def _score_batch(self, batch: list[Pairs]) -> list[tuple[NDArray[np.float32], int]]:
        """The logits of each request, and how many there were; in a thread, so that further ones are received."""
        logits = await asyncio.to_thread(score_together, self._runtime, batch)
        return [(of_one, len(batch)) for of_one in logits]


def score_together(scorer: PairScorer, batch: Sequence[Pairs]) -> list[NDArray[np.float32]]:
    """The logits of each of these requests, from one pass over the pairs of all."""
    texts = [
        pairs.text.select([0] * len(pairs.pixel_features)) if len(pairs.text) == 1 else pairs.text for pairs in batch
    ]
    logits = scorer.itm_logits(EncodedText.joined(texts), [photo for pairs in batch for photo in pairs.pixel_features])
    ends = np.cumsum([len(pairs.pixel_features) for pairs in batch])
    return np.split(logits, ends[:-1])


def application(arguments: dict[str, object]) -> Application:
    """The application, as `import_path` of the configuration names it, with its `args`: see `Arguments`."""
    from ray import serve

    deployment = serve.deployment(max_ongoing_requests=2 * _MAX_REQUESTS, max_queued_requests=_MAX_WAITING)(Reranker)
    return deployment.bind(Arguments.model_validate(arguments))
