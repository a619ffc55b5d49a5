"""A fault signal ended the process in native code (BC509).

What it means
    SIGSEGV, SIGBUS, SIGFPE or SIGABRT ended a process: C or C++ code, not Python, went wrong. No
    Python traceback is printed and the request that met it is not logged.

How it looks
    `Worker (pid:31) was sent SIGSEGV!`, `was sent code 139!`, `was terminated due to signal 11`, exit
    status 139 or 134 of a container; in a report the Python stack of every thread at the fault, in a log the
    dump of faulthandler (`Fatal Python error: Segmentation fault`), whose innermost frame is named.

Why it happens
    A library that does not survive a fork (loaded by `--preload`); two builds of one runtime in one
    process (OpenMP, protobuf, libpq); NumPy 1 extensions under NumPy 2; real memory errors.

What to do
    Look at the stack in the report first: it names the Python call that entered native code. Then load
    that library after the fork, pin or upgrade it, or set its thread variables to 1.

How to know it is fixed
    The request or import that ended it, repeated under `python -X faulthandler`, comes back.
"""

from __future__ import annotations

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude
from bootcheck.analysis.dumps import STOOD, stack_of
from bootcheck.analysis.trouble import BOOT, Trouble, is_library
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence, Finding

CAUSE_CLASS = "native-crash"
RULES = ("BC509",)

TELLTALE = late.regex(
    r"Fatal Python error: (?!init|Py_Init|Illegal)|segfault at [0-9a-f]+ ip|"
    r"[Ss]egmentation fault|double free or corruption|stack smashing detected|pure virtual method called|"
    r"free\(\): (?:invalid|double)|malloc\(\): |munmap_chunk\(\)|malloc_consolidate\(\): |realloc\(\): invalid|"
    r"tcache_thread_shutdown\(\)|buffer overflow detected|terminate called (?:after throwing|without an active)|"
    r"libc\+\+abi(?:\.dylib)?: terminating|: Assertion [`'].{1,300}' failed|OMP: Error #\d+: |\] Check failed: |"
    r"SIG(?:SEGV|ABRT|BUS|FPE) (?:received at time|\(@0x)|detected by the Java Runtime|signal during runtime execution|"
    r"(?:with|by|via|from|on) signal:? [\[('\"]*(?:SIG(?:SEGV|ABRT|BUS|FPE)\b|(?:[678]|11)\b)|dumped core\b|"
    r"process has forked and you cannot use this CoreFoundation|crashed on child side of fork pre-exec|"
    r"[Uu]ncaught (?:target )?signal:? (?:[678]|11)\b|result 'core-dump'|"
    r"exited: .{1,80}terminated by SIG(?:SEGV|ABRT|BUS|FPE)|"
    r"may have been in progress in another thread when fork\(\) was called|code=(?:killed|"
    r"dumped), (?:signal|status)=(?:\d+/)?(?:SEGV|ABRT|BUS|FPE)|"
    r"general protection (?:fault|ip:)|traps: \S+ trap (?:int3|divide error|stack segment)|"
    r"corrupted (?:size vs|double-linked)|line \d+:\s+\d+ Aborted\b|"
    r"Aborted \(core dumped\)|Bus error \(core dumped\)|"
    r"(?:(?:[Ee]xit|EXIT)(?:ed)?(?: with)?[ _]?(?:[Cc]ode|status)?\"?|status)[:= (\[]+13[4569]\b"
)
WORDS = (
    "stack smashing", "pure virtual", "libc++abi", "Assertion ", "OMP: Error", "has forked", "fork pre-exec",
    "Fatal Python", "segfault", "egmentation", "double free", "free()", "malloc()", "munmap_chunk", "terminate called",
    "signal", "fork()", "code=killed", "code=dumped", "general protection", "exited: ", "corrupted ", "core dumped",
    "134", "135", "136", "139", "malloc_consolidate", "realloc()", "tcache_thread", "buffer overflow",
    "] Check failed: ", "received at time", "(@0x", "Java Runtime", "dumped core", "'core-dump'", "traps: ", "Aborted",
)  # fmt: skip
TELLTALE_CAUSE = Cause.NATIVE_CRASH
_SUSPECT = "Suspect libraries loaded before the fork (--preload), and native packages upgraded last."
_FORKED = late.regex(r"We cannot safely call it or ignore it in the fork\(\) child process|when fork\(\) was called")

_WATCHDOG = late.regex(r"Watchdog timeout")
"""systemd sends SIGABRT to a server that gave no sign of life in time."""


def match(trouble: Trouble) -> Finding | None:
    """Conclude from the signal that ended it; macOS kills a process that is not safe to fork, and says so."""
    if trouble.cause is not Cause.NATIVE_CRASH and not (trouble.cause is Cause.OOM and trouble.says(_FORKED)):
        return None
    if trouble.signal in (None, "SIGABRT") and trouble.says(_WATCHDOG):
        return None
    name = trouble.signal or "a fault signal"
    # Of lines that speak for themselves nobody knows which process they are about.
    by_itself = STOOD in trouble.facts
    who = "A process of the server" if by_itself else trouble.who
    when = " while it was starting" if trouble.moment == BOOT and not by_itself else ""
    evidence = [*trouble.line(TELLTALE), *trouble.said[-2:]][:3]
    stack = stack_of(trouble)
    if not stack:
        return conclude(
            trouble,
            f"{who} was ended by {name}{when}, in native code.",
            "Run it once under bootcheck, or with PYTHONFAULTHANDLER=1: the stack names the call that entered native "
            "code.",
            _SUSPECT,
            confirm="PYTHONFAULTHANDLER=1 and the same request or import again",
            confidence="high" if trouble.signal else "medium",
            evidence=evidence,
        )
    top = stack[-1]
    own = next((frame for frame in reversed(stack) if not is_library(frame.file)), top)
    by = "" if own is top else f", by way of {own.file}:{own.line} ({own.function})"
    return conclude(
        trouble,
        f"{who} was ended by {name}{when}, in native code below {top.function} ({top.file}:{top.line}){by}.",
        "Repeat that call alone under python -X faulthandler, in a process that forks first as Gunicorn does, and pin "
        "or upgrade its package.",
        _SUSPECT,
        confirm=f"The same call, of {top.file}:{top.line}, alone in a forked process",
        evidence=[*evidence, Evidence(source=top.file, line=top.line or None, text=f"in {top.function}")],
    )
