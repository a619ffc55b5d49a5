"""Native code uses an instruction that this processor does not have (SIGILL).

What it means
    A compiled library was built for a newer or another processor; the first such instruction ends the
    worker, and gunicorn starts the next one, without end.

How it looks
    `Worker (pid:31) was sent SIGILL!`, `was terminated due to signal 4`, `Illegal instruction`.

Why it happens
    A wheel compiled with AVX or AVX-512 on an old or virtual processor; an image built for another
    architecture and run under emulation; `-march=native` on the build machine.

What to do
    Compare `flags` in /proc/cpuinfo with what the library needs (TensorFlow, PyTorch, NumPy,
    Polars have builds without AVX), or let the instance show the processor's real flags.

How to know it is fixed
    `python -c "import LIBRARY"` on that machine ends with status 0.
"""

from __future__ import annotations

import re

from bootcheck.analysis.conclusion import conclude
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "illegal-instruction"
RULES: tuple[str, ...] = ()

TELLTALE = re.compile(
    r"Illegal instruction(?: |$|\s\(core dumped\))|trap invalid opcode|"
    r"Fatal Python error: Illegal instruction|signal: illegal instruction"
)
WORDS = ("llegal instruction", "invalid opcode")
TELLTALE_CAUSE = Cause.NATIVE_CRASH


def match(trouble: Trouble) -> Finding | None:
    """Conclude from SIGILL, or from the kernel's or shell's word for it."""
    if trouble.cause is not Cause.NATIVE_CRASH or not (
        trouble.signal == "SIGILL" or (trouble.signal is None and trouble.says(TELLTALE))
    ):
        return None
    return conclude(
        trouble,
        f"{trouble.who} was ended by SIGILL, because native code was built for another processor.",
        "Compare the flags in /proc/cpuinfo with what the native libraries were built for (AVX, AVX-512).",
        "Install builds without those instructions, or rebuild the library on this kind of machine.",
        confirm="python -X faulthandler -c 'import APP' names the library that is loaded last",
        evidence=trouble.said[-2:],
    )
