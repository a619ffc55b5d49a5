"""The kernel or the container killed the process for memory (BC508).

What it means
    A process used more memory than its control group, or the machine, has. The kernel sends SIGKILL;
    nothing in the process can run any more.

How it looks
    `Worker (pid:31) was sent SIGKILL! Perhaps out of memory?`, `was terminated due to signal 9`, exit
    status 137, `OOMKilled`, `Out of memory: Killed process`. Gunicorn guesses at memory for every
    SIGKILL: it is none where the same pid had WORKER TIMEOUT, or a stop had been ordered.

Why it happens
    Workers × what each one loads exceeds the limit; a leak; one large request; a limit set for one
    worker and shared by four.

What to do
    Raise the limit or lower the workers; share what is loaded with `--preload`; recycle with
    `max_requests`. Compare the peak in the report with the limit.

How to know it is fixed
    `oom_kill` in the group's `memory.events` no longer rises.
"""

from __future__ import annotations

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude
from bootcheck.analysis.trouble import UNTOLD, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "oom-kill"
RULES = ("BC508",)

TELLTALE = late.regex(
    r"Out of memory: [Kk]ill|OOM killed|line \d+:\s+\d+ Killed\b|exited: .{1,80}terminated by SIGKILL|"
    r"[Mm]emory cgroup out of memory|oom-kill:|OOMKilled|killed by the OOM killer|"
    r"Error R1[45] \(Memory|"
    r"[Mm]emory limit of .{1,40} exceeded|[Ee]xceeded (?:its|the|soft|hard)? ?(?:private )?memory limit|"
    r"Container killed due to memory|using too much memory and was terminated|"
    r"[Oo]ut of memory \(used over|result 'oom-kill'|OutOfMemoryError: [Cc]ontainer|"
    r"invoked oom-killer|oom_reaper: reaped process|^Killed /\S+ due to memory|^sending SIG\w+ to process \d+ uid|"
    r"oom_killed\"?[:=] ?true|[Oo]ut-of-memory event|[Cc]ontainer ran out of memory|[Mm]emory limit exceeded \(\d|"
    r"killed by (?:the )?(?:kernel )?OOM|"
    r"(?:[Kk]illed|terminated|restarted)\b.{1,40}(?:too much |excessive |exceed\w+ (?:its |the )?|max-)memory\b|"
    r"[Cc]group out of memory: |^(?:\[\d+\][+-]? +)?Killed(?:$| .*unicorn)|"
    r"(?:(?:[Ee]xit|EXIT)(?:ed)?(?: with)?[ _]?(?:[Cc]ode|status)?\"?|status)[:= (\[]+137\b"
)
WORDS = ("emory", "Killed", "SIGKILL", "oom-kill", "oom_", "to process ", "OOM", "137")
TELLTALE_CAUSE = Cause.OOM
_STATUS_ALONE = late.regex(r"^(?!.*(?:[Mm]emory|OOM|oom)).*\b137\b|^(?:\[\d+\][+-]? +)?Killed(?:$| .*unicorn)")
_BY_PROBE = late.regex(r"failed (?:liveness|startup) probe|Liveness probe failed|unhealthy container")
_ASK = (
    "Get the kernel's word, and analyze it with this log: journalctl -k, kubectl describe pod POD (OOMKilled), docker "
    "inspect CONTAINER (OOMKilled); under bootcheck the report has the count of the control group."
)


def match(trouble: Trouble) -> Finding | None:
    """Conclude from a SIGKILL that nobody ordered; a word of the kernel makes it certain."""
    if trouble.cause is not Cause.OOM:
        return None
    if trouble.facts.get(UNTOLD):
        return conclude(
            trouble,
            f"{trouble.who} ended without a word, and others after it: this release of Gunicorn does not say that a "
            "signal has ended a worker. Most likely it was SIGKILL, for memory.",
            _ASK,
            "Raise the memory limit, or lower the number of workers or what each one loads.",
            "Upgrade Gunicorn: from 20.1 on it names the signal.",
            confidence="low",
            against=("A crash in native code (SIGSEGV, SIGILL) leaves the same traces: the kernel's log tells.",),
            evidence=trouble.said[-2:],
        )
    proof = trouble.line(TELLTALE)
    seen = "evidence" in trouble.facts
    if proof and _STATUS_ALONE.search(proof[0].text) and trouble.says(_BY_PROBE):
        # The kubelet kills with the same status, and says so.
        return None
    return conclude(
        trouble,
        f"{trouble.who} was killed for memory (SIGKILL)."
        if proof or seen
        else f"{trouble.who} got SIGKILL that nobody had ordered: most likely for memory, but the kernel's word is "
        "missing here.",
        *(() if proof or seen else (_ASK,)),
        "Raise the memory limit, or lower the number of workers or what each one loads.",
        "Look for what grows: max_requests recycles workers until it is found.",
        confirm="cat /sys/fs/cgroup/memory.events; journalctl -k | grep -i 'killed process'",
        confidence="high" if proof or seen else "medium",
        against=()
        if proof or seen
        else ("An operator or a script may have sent the SIGKILL: the log does not name the sender.",),
        evidence=[*proof, *trouble.said[-2:]][:3],
    )
