"""What faulthandler wrote, read back as stacks."""

from __future__ import annotations

import re

from bootcheck.probes.stacks import MAX_FRAMES, MAX_THREADS, Stack

_FAULT_THREAD = re.compile(
    r"^(?:Current thread|Thread) 0x[0-9a-f]+(?: \[[^\]]*\])?(?P<current> \(most recent call first\))?", re.IGNORECASE
)
_FAULT_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+|\?\?\?) in (?P<function>.+)$')
_FAULT_HEAD = re.compile(r"^(?:Fatal Python error: |Timeout )(?P<what>.*)$")


def of_fault_text(text: str) -> list[Stack]:
    """Read what faulthandler wrote; the last dump of each thread counts, the faulting one first."""
    dumps: list[list[Stack]] = [[]]
    for line in text.splitlines():
        frame = _FAULT_FRAME.match(line)
        if _FAULT_HEAD.match(line):
            if dumps[-1]:
                dumps.append([])
        elif _FAULT_THREAD.match(line):
            current = line.startswith("Current thread")
            if current and any(stack["current"] for stack in dumps[-1]):
                dumps.append([])
            dumps[-1].append({"thread": line.partition(" (")[0], "current": current, "frames": []})
        elif line.startswith("Stack (most recent call first)"):
            if dumps[-1]:
                dumps.append([])
            dumps[-1].append({"thread": "main", "current": True, "frames": []})
        elif frame is not None and dumps[-1] and len(dumps[-1][-1]["frames"]) < MAX_FRAMES:
            number = frame["line"]
            dumps[-1][-1]["frames"].append(
                {
                    "function": frame["function"],
                    "file": frame["file"],
                    "line": int(number) if number.isdigit() else None,
                }
            )
    last = next((dump for dump in reversed(dumps) if dump), [])
    ordered = sorted(last, key=lambda stack: not stack["current"])
    return [{"thread": stack["thread"], "frames": stack["frames"]} for stack in ordered[:MAX_THREADS]]


def fault_headline(text: str) -> str | None:
    """Return what faulthandler called the fault, for example `Segmentation fault`."""
    for line in text.splitlines():
        match = _FAULT_HEAD.match(line)
        if match is not None:
            return match["what"]
    return None
