"""What a run was made with, and how much memory it took."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import sys
from pathlib import Path
from typing import Any

import torch

PACKAGES = (
    "recbole_xlrec",
    "recbole",
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "sentence-transformers",
    "transformers",
    "polars",
    "langcodes",
)
EXTRAS = {
    "peft": "peft",
    "detect": "lingua-language-detector",
    "stack": "lightgbm",
    "tune": "optuna",
    "ann": "faiss-cpu",
    "serve": "fastapi",
    "train": "accelerate",
}


def version(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def environment() -> dict[str, Any]:
    """Python, platform, packages, processors and accelerators, as plain values."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "accelerators": accelerators(),
        "packages": {name: version(name) for name in PACKAGES},
        "command": sys.argv,
    }


def accelerators() -> list[str]:
    """Names of the GPUs that torch can use."""
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


class PeakMemory:
    """The largest resident set of this process since the object was made.

    Linux can reset its own high-water mark; elsewhere it is that since the process began.
    """

    _status = Path("/proc/self/status")
    _reset = Path("/proc/self/clear_refs")

    def __init__(self) -> None:
        self._resets = True
        try:
            self._reset.write_text("5")
        except OSError:  # no Linux, or a container that forbids it
            self._resets = False

    def megabytes(self) -> float:
        """The peak so far."""
        if self._resets:
            lines = self._status.read_text().splitlines()
            return int(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))) / 1024
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
