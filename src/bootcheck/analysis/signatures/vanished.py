"""A process ended without leaving a word (BC512).

What it means
    Its journal stops in the middle: no end, no exception, no fault dump, and no master was left to see
    its status. Whatever ended it left the process no time, and took the master with it or was first.

How it looks
    A crash report with the cause `vanished`, written by the next start's sweep or by `bootcheck analyze`;
    its last checkpoint is the last thing known.

Why it happens
    SIGKILL of the master or of the whole container; a node that went down; memory with
    `memory.oom.group`; a disk that took no more lines.

What to do
    Look in the host's or platform's log for a kill at the time of the last checkpoint.

How to know it is fixed
    Every journal has an end, and every death a report with another cause.
"""

from __future__ import annotations

from bootcheck.analysis.conclusion import conclude
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "external-stop"
RULES = ("BC512",)


def match(trouble: Trouble) -> Finding | None:
    """Conclude from a journal without an end."""
    if trouble.cause is not Cause.VANISHED:
        return None
    step = f" in step {trouble.step}" if trouble.step else ""
    return conclude(
        trouble,
        f"{trouble.who} vanished{step}: its journal stops without an end.",
        "Look in the host's log for a kill (memory, node restart, container removed) at the time of the last "
        "checkpoint.",
        confirm="journalctl -k | grep -i 'killed process'; kubectl describe pod POD",
        confidence="low" if trouble.facts.get("torn") else "medium",
        against=("Its last lines could not be read: an end may have stood there.",)
        if trouble.facts.get("torn")
        else (),
        evidence=trouble.said[-3:],
    )
