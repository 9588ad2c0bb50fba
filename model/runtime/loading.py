"""Load a trained Pixel-BERT by the runtime that suits the machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from model.opened import OpenedWeights
from model.runtime.hardware import has_gpu
from model.runtime.protocol import TaskRuntime
from model.weights import WeightsError, has_graphs


def load_runtime(weights: Path | OpenedWeights, *, device: str = "auto", threads: int = 0) -> TaskRuntime:
    """Load the network in a folder of weights; `device` is `auto` (a GPU where there is one), `cpu`, `cuda`, ...

    On a CPU `threads` compute, by default as many as there are cores.

    On a CPU weights with graphs are computed by ONNX Runtime, all else by PyTorch; neither is imported before.
    Raises `model.weights.WeightsError` when the folder does not hold a complete Pixel-BERT, when it holds another one
    than was opened, or when what it needs is not installed.
    """
    weights = OpenedWeights.of(weights)
    on_cpu = device == "cpu" or (device == "auto" and not has_gpu())
    if on_cpu and has_graphs(weights.folder) and find_spec("onnxruntime"):
        from model.runtime.onnx_runtime import OnnxRuntime

        return OnnxRuntime.load(weights, threads=threads)
    if not find_spec("torch"):
        raise WeightsError(
            f"{weights.folder} has no graphs for a CPU without PyTorch. Make them where PyTorch is "
            "(`pixelseek model export`), or install it: pip install 'pixelseek[gpu]'"
            if on_cpu
            else f"device {device} needs PyTorch: pip install 'pixelseek[gpu]'"
        )
    from model.runtime.torch_runtime import TorchRuntime

    return TorchRuntime.load(weights, device=device, threads=threads)
