"""What faulthandler wrote, read back as stacks."""

from __future__ import annotations

import re

from bootcheck.probes.stacks import MAX_FRAMES, MAX_THREADS, Stack

_FAULT_THREAD = re.compile(
    r"^(?P<current>Current thread|Thread) (?P<ident>0x[0-9a-f]+)(?: \[(?P<name>[^\]]*)\])?"
    r"(?: \(most recent call first\))?",
    re.IGNORECASE,
)
_FAULT_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+|\?\?\?) in (?P<function>.+)$')
_FAULT_HEAD = re.compile(r"^(?:Fatal Python error: |Timeout )(?P<what>.*)$")


def of_fault_text(text: str) -> list[Stack]:
    """Read what faulthandler wrote; the last dump of each thread counts, the faulting one first."""
    ordered = sorted(last_dump(text), key=lambda stack: not stack["current"])
    return [{"thread": stack["thread"], "frames": stack["frames"]} for stack in ordered[:MAX_THREADS]]


def last_dump(text: str) -> list[Stack]:
    """Return the threads of the last dump in the order of the text, newest thread first, with ident and name."""
    dumps: list[list[Stack]] = [[]]
    for line in text.splitlines():
        frame = _FAULT_FRAME.match(line)
        if _FAULT_HEAD.match(line):
            if dumps[-1]:
                dumps.append([])
        elif (thread := _FAULT_THREAD.match(line)) is not None:
            current = thread["current"].startswith("Current")
            if current and any(stack["current"] for stack in dumps[-1]):
                dumps.append([])
            dumps[-1].append(
                {
                    "thread": line.partition(" (")[0],
                    "ident": int(thread["ident"], 16),
                    "name": thread["name"],
                    "current": current,
                    "frames": [],
                }
            )
        elif line.startswith("Stack (most recent call first)"):
            if dumps[-1]:
                dumps.append([])
            dumps[-1].append({"thread": "main", "ident": 0, "name": None, "current": True, "frames": []})
        elif frame is not None and dumps[-1] and len(dumps[-1][-1]["frames"]) < MAX_FRAMES:
            number = frame["line"]
            dumps[-1][-1]["frames"].append(
                {
                    "function": frame["function"],
                    "file": frame["file"],
                    "line": int(number) if number.isdigit() else None,
                }
            )
    return next((dump for dump in reversed(dumps) if dump), [])


def fault_headline(text: str) -> str | None:
    """Return what faulthandler called the fault, for example `Segmentation fault`."""
    for line in text.splitlines():
        match = _FAULT_HEAD.match(line)
        if match is not None:
            return match["what"]
    return None
