"""The line that names the machine under every table."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine() -> str:
    """Processor, cores and the versions that matter."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    packages = " ".join(f"{name} {version(name)}" for name in ("onnxruntime", "faiss-cpu", "pillow"))
    name = names[0] if names else platform.processor()
    return f"{name}, {os.cpu_count()} cores; Python {platform.python_version()} {packages}"
