"""One process or several: a run that `torchrun` or `accelerate launch` started on several GPUs or machines."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from accelerate import Accelerator


class Processes:
    """The processes that share a run, and the rank of this one.

    They share the gradient accumulation steps, and sum gradients and losses, so that the run takes the steps of a
    single process. accelerate is imported only where there are several.
    """

    def __init__(self, device: str) -> None:
        """`device` is `auto` or a device of PyTorch; each of several processes takes its own GPU."""
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
    def is_first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def sum(self, tensors: Iterable[Tensor]) -> None:
        """Replace each of `tensors` by its sum over all processes."""
        if self._accelerator is None:
            return
        tensors = list(tensors)
        flat = self._accelerator.reduce(torch.cat([tensor.flatten() for tensor in tensors]), reduction="sum")
        for tensor, total in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(total.view_as(tensor))

    def first_decides(self, decision: bool) -> bool:
        """The decision of the first process: clocks differ, and all processes must do the same."""
        flag = torch.tensor(float(decision and self.is_first), device=self.device)
        self.sum([flag])
        return bool(flag)

    def agree(self, what: bytes) -> bool:
        """Whether `what` is the same in all processes; all of them get the same answer."""
        own = int.from_bytes(hashlib.blake2b(what, digest_size=4).digest(), "big")
        total = torch.tensor(float(own), dtype=torch.float64, device=self.device)  # exact: sums stay below 2**53
        self.sum([total])
        differs = torch.tensor(float(total.item() != own * self.count), device=self.device)
        self.sum([differs])
        return not bool(differs)

    def wait(self) -> None:
        """Wait until every process has arrived here."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()
