"""Native code uses an instruction that this processor does not have (SIGILL).

What it means
    A compiled library was built for a newer or another processor; the first such instruction ends the
    worker, and gunicorn starts the next one, without end.

How it looks
    `Worker (pid:31) was sent SIGILL!`, `was terminated due to signal 4`, `Illegal instruction`; or a
    library's own refusal: `compiled to use AVX instructions, but these aren't available`.

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

from collections.abc import Sequence

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.dumps import stack_of
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence, Finding

CAUSE_CLASS = "illegal-instruction"
RULES: tuple[str, ...] = ()

_BUILT_FOR_ANOTHER = (
    r"compiled to use .{2,80} instructions, but these aren't available|"
    r"built with baseline optimizations:\s[\s\S]{1,300} but your machine doesn't support|"
    r"built using \S+ instructions, which your CPU and/or operating system do not support|"
    r"required CPU features were not detected|CPU (?:does not|doesn't) support x86-64-v\d|"
    r"CPU ISA level is lower than required|does not meet the minimum requirements for use of the Intel"
)
"""TensorFlow, NumPy, jaxlib, Polars, MKL and glibc look before they use an instruction."""
TELLTALE = late.regex(
    r"Illegal instruction(?: |$|: 4\b|\s\(core dumped\))|trap invalid opcode|"
    r"Fatal Python error: Illegal instruction|signal: illegal instruction|"
    r"[Uu]ncaught (?:target )?signal:? 4\b|(?:with|by|via|from|on) signal:? [\[('\"]*(?:SIGILL\b|4\b)|"
    r"SIGILL[:,] [Ii]llegal instruction|exited: .{1,80}terminated by SIGILL|"
    r"code=(?:killed|dumped), (?:signal|status)=(?:4/)?ILL|"
    r"(?:(?:[Ee]xit|EXIT)(?:ed)?(?: with)?[ _]?(?:[Cc]ode|status)?\"?|status)[:= (\[]+132\b|" + _BUILT_FOR_ANOTHER
)
WORDS = (
    "llegal instruction", "invalid opcode", "signal", "exited: ", "minimum requirements", "code=killed",
    "code=dumped", "132", "aren't available", "x86-64-v", "CPU features", "ISA level", "rror",
    "baseline optimizations", "operating system do not",
)  # fmt: skip
TELLTALE_CAUSE = Cause.NATIVE_CRASH
_BUILT = late.regex(_BUILT_FOR_ANOTHER)


def match(trouble: Trouble) -> Finding | None:
    """Conclude from SIGILL, from the kernel's or shell's word for it, or from a library that looks at the processor."""
    error = trouble.error
    if error is not None:
        if not _BUILT.search(error.text):
            return None
        return _conclude(trouble, f"a native library refuses this processor: {one_line(error.text)}", None)
    crashed = trouble.cause is Cause.NATIVE_CRASH
    if crashed and (trouble.signal == "SIGILL" or (trouble.signal is None and trouble.says(TELLTALE))):
        top = stack_of(trouble)[-1:]
        below = "".join(f" below {frame.function} ({frame.file}:{frame.line})" for frame in top)
        stood = [Evidence(source=frame.file, line=frame.line or None, text=f"in {frame.function}") for frame in top]
        what = f"it was ended by SIGILL, because native code{below} was built for another processor"
        return _conclude(trouble, what, [*trouble.said[-2:], *stood])
    refused = trouble.line(_BUILT) if crashed else ()
    return (
        _conclude(trouble, "a native library ended it for want of a processor's feature", refused) if refused else None
    )


def _conclude(trouble: Trouble, what: str, evidence: Sequence[Evidence] | None) -> Finding:
    return conclude(
        trouble,
        f"{trouble.who} cannot run here: {what}.",
        "Compare the flags in /proc/cpuinfo with what the native libraries were built for (AVX, AVX-512).",
        "Install builds without those instructions, or rebuild the library on this kind of machine.",
        confirm="python -X faulthandler -c 'import APP' names the library that is loaded last",
        evidence=evidence,
    )
