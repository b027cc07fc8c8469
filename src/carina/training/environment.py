"""Under which conditions a run was made: versions, hardware, threads."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch

PACKAGES = ("carina", "torch", "numpy", "transformers", "lightning", "polars", "pillow", "pydicom")


def environment() -> dict[str, str | int]:
    """Versions of what computes, the processor, and where there is one the GPU."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
        "threads": torch.get_num_threads(),
        "gpu": device,
    }


def processor_name() -> str:
    """The processor as the system calls it."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
