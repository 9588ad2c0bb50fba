"""Whether there is a GPU, told without importing PyTorch, which takes seconds."""

from __future__ import annotations

import ctypes
import platform
from importlib.util import find_spec

_DRIVERS = {"Linux": "libcuda.so.1", "Windows": "nvcuda.dll"}


def has_gpu() -> bool:
    """Whether PyTorch is installed and an NVIDIA driver here finds a device."""
    return find_spec("torch") is not None and driver_finds_gpu()


def driver_finds_gpu() -> bool:
    """Whether an NVIDIA driver here finds a device."""
    driver = _DRIVERS.get(platform.system())
    if driver is None:
        return False
    try:
        cuda = ctypes.CDLL(driver)
    except OSError:
        return False
    count = ctypes.c_int(0)
    return cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
