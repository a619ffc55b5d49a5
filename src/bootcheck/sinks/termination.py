"""The termination message: what Kubernetes shows of a container that ended, in `kubectl describe pod`.

Text, the most useful first: readable when it is cut after 1 KiB, at most 4 KiB (Kubernetes keeps no
more), and no cut falls into a character. The last line is the announcement that `analyze` reads.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping

from bootcheck.model.cause import Cause
from bootcheck.model.checkpoint import Outcome
from bootcheck.model.finding import Severity
from bootcheck.model.report import Report

FILE = "/dev/termination-log"
MARK = "bootcheck: "
"""What a message of ours begins with."""
MOST = 4096
HEAD = 1000
"""Bytes in which the most useful stands; behind it is ASCII only, so that a cut at 1 KiB leaves text."""
_LINE = 400
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def place(environ: Mapping[str, str], chosen: str | None = None) -> str | None:
    """Return the file that the platform reads: the chosen one, in Kubernetes its own; None where there is none."""
    if chosen is not None:
        return chosen
    return FILE if environ.get("KUBERNETES_SERVICE_HOST") and os.path.exists(FILE) else None


def message(report: Report, headline: str, path: str | None = None) -> bytes:
    """Return the message about one death."""
    head = b""
    for number, line in enumerate(_head(report, headline, path)):
        room = HEAD - len(head) - 1
        data = cut(_plain(line), min(_LINE, room)) if number else cut(_plain(line), _LINE)
        # Half a line of evidence says less than none.
        if number and (room < _LINE // 4 < len(line) or not data):
            break
        head += data + b"\n"
    announcement = report.announcement(path).encode("ascii", "backslashreplace") + b"\n"
    room = MOST - len(head) - len(announcement)
    return head + _tail(report, room) + announcement


def write(path: str, data: bytes, *, create: bool = False) -> bool:
    """Put a message into the file in place of an earlier one of ours; behind what somebody else left there."""
    try:
        fd = os.open(path, _FLAGS | (os.O_CREAT if create else 0), 0o600)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return False
        theirs = _theirs(os.pread(fd, MOST, 0))
        if len(theirs) > MOST - _LINE:
            return True
        data = theirs + cut(data.decode("utf-8"), MOST - len(theirs)) if data else theirs
        # Written over before it is shortened: there is no moment without a message.
        written = os.pwrite(fd, data, 0)
        os.ftruncate(fd, written)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(fd)


def cut(text: str, limit: int) -> bytes:
    """Return a text as UTF-8 of at most so many bytes, whole characters only."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit:
        return data
    return data[: max(0, limit - 3)].decode("utf-8", "ignore").encode("utf-8") + b"..." if limit > 3 else b""


def _theirs(found: bytes) -> bytes:
    """Return what somebody else wrote before us, as whole characters and with an end of line."""
    before, ours, _ = found.partition(MARK.encode("ascii"))
    if ours and before and not before.endswith(b"\n"):
        before = found
    text = before.rstrip(b"\0").decode("utf-8", "ignore")
    return text.encode("utf-8") + (b"" if not text or text.endswith("\n") else b"\n")


def _head(report: Report, headline: str, path: str | None) -> Iterator[str]:
    verdict = report.verdict
    errors = [finding for finding in report.findings if finding.severity is Severity.ERROR]
    if verdict.cause is Cause.CHECK_FAILED and errors:
        first = errors[0]
        yield f"{MARK}{headline}: {first.summary} [{first.code}]"
        for finding in errors[1:6]:
            yield f"Also: {finding.summary} [{finding.code}]"
        actions = [action for finding in errors for action in finding.action[:1]]
        seen = [item for finding in errors for item in finding.evidence[:1]]
    else:
        yield f"{MARK}{headline}: {verdict.summary}{f' [{verdict.code}]' if verdict.code else ''}"
        actions, seen = list(verdict.action), list(verdict.evidence)
    for action in actions[:3]:
        yield f"Do: {action}"
    if report.step:
        yield f"Step: {report.step}{_for_how_long(report)}"
    for item in seen[:3]:
        yield f"Seen: {item.text}"
    for doubt in verdict.against[:2]:
        yield f"Against: {doubt}"
    yield f"Report: {path}" if path else f"Report: {report.report_id}, not stored"


def _for_how_long(report: Report) -> str:
    """Return how long the step had taken at the death, where that is known."""
    entered = [point for point in report.checkpoints if point.outcome is Outcome.ENTERED and point.name == report.step]
    took = report.at - entered[-1].at if entered else -1.0
    return f", entered {took:.1f} s before" if took >= 0 else ""


def _tail(report: Report, room: int) -> bytes:
    """Return the end of the traceback, else the innermost frames, as ASCII that fits."""
    trace = report.attributes.get("exception.stacktrace")
    if isinstance(trace, str):
        title, lines = "Traceback, the end of it:", trace.rstrip().splitlines()[-12:]
    elif report.stacks:
        found = report.stacks[0].get("frames", [])
        # What every import goes through says nothing of this one.
        frames = [frame for frame in found if not str(frame.get("file")).startswith("<frozen importlib")][:8]
        title = "Stack, innermost first:"
        lines = [f"  {frame.get('file')}:{frame.get('line')} in {frame.get('function')}" for frame in frames]
    else:
        return b""
    kept: list[bytes] = []
    room -= len(title) + 1
    for line in reversed(lines) if isinstance(trace, str) else lines:
        data = _plain(line, keep=" ").encode("ascii", "backslashreplace")[:_LINE] + b"\n"
        room -= len(data)
        if room < 0:
            break
        kept.append(data)
    if isinstance(trace, str):
        kept.reverse()
    return title.encode("ascii") + b"\n" + b"".join(kept) if kept else b""


def _plain(text: str, keep: str = "") -> str:
    """Return a text as one line that a terminal shows: no control characters."""
    line = " ".join(text.split()) if not keep else text.rstrip()
    return "".join(char if char.isprintable() else " " for char in line)
