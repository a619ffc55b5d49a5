"""Whether CUDA is initialised in this process: it cannot be used again after a fork."""

from __future__ import annotations

import os
import sys

from bootcheck.probes.objects import attributes


def initialised(descriptors: str = "/proc/self/fd") -> str | None:
    """Return what shows that CUDA is initialised, None where nothing does. Nothing is called or imported."""
    names = attributes(sys.modules.get("torch.cuda")) or {}
    if names.get("_initialized") is True:
        return "torch.cuda is initialised"
    if not os.path.exists("/dev/nvidia-uvm"):
        return None
    try:
        for name in os.listdir(descriptors):
            # The management library, which only reads temperatures, does not open this one.
            if os.readlink(f"{descriptors}/{name}") == "/dev/nvidia-uvm":
                return "/dev/nvidia-uvm is open: some library has a CUDA context"
    except OSError:
        return None
    return None
