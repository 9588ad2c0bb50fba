"""One process or several: a run that `accelerate launch` or `torchrun` started on more than one GPU."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from accelerate import Accelerator


class Processes:
    """The processes that share a run, and this one's place among them.

    The parts of a step are shared out, and their gradients and losses added up, so that the steps are those of a
    single process. accelerate is imported only where there are several.
    """

    def __init__(self, device: str) -> None:
        """`device` is `auto`, or where to compute; with several processes each takes a GPU of its own."""
        self._accelerator: Accelerator | None = None
        self.count, self.rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
        if self.count > 1:
            from accelerate import Accelerator

            self._accelerator = Accelerator(cpu=device == "cpu")
            self.device: torch.device = self._accelerator.device
        elif device == "auto":
            self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        else:
            self.device = torch.device(device)

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Put into each of `tensors` the sum of what it is in all processes."""
        if self._accelerator is None:
            return
        tensors = list(tensors)
        flat = self._accelerator.reduce(torch.cat([tensor.flatten() for tensor in tensors]), reduction="sum")
        for tensor, summed in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(summed.view_as(tensor))

    def wait(self) -> None:
        """Until every process has come here."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()
