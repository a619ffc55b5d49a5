"""Report directories, followed: each death once, with its verdict; also that of a process which left only a journal."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bootcheck.analysis.deaths import Death
from bootcheck.analysis.incidents import Analysis
from bootcheck.analysis.live import Live
from bootcheck.analysis.quoting import quoted
from bootcheck.analysis.readers.prefixes import epoch
from bootcheck.model.codes import CODES
from bootcheck.model.journal import key_of, report_name
from bootcheck.probes.process import is_running
from bootcheck.watching import DEATH, PROBLEM, READY, CannotWatch, Event

TRIES = 5
"""Looks at a file that cannot be read, before it is said: something else may still be copying it."""
SETTLE = 2.0
"""Seconds after which a process that is gone without a report will get none from its master."""
_OWN_FOLDER = re.compile(r"bootcheck-\d+")
_KINDS = ("crash-", "boot-")


class Reports:
    """What comes to lie in some directories; they may come, go and come again."""

    def __init__(self, directories: Sequence[str], *, clock: Callable[[], float] = time.time) -> None:
        """Raise CannotWatch where one is no directory, and none that a server could make."""
        for path in directories:
            _judge(path)
        self._directories = list(directories)
        self._clock = clock
        self._problems: list[str] = []
        self._live = Live(self._problems.append)
        self._seen: set[str] = set()
        self._tries: dict[str, int] = {}
        self._gone: dict[str, float] = {}
        """Journals whose process is gone, with the time at which that was seen."""
        self._missing = {path for path in directories if not os.path.isdir(path)}
        self._buried: set[tuple[str, int | None, str | None]] = set()
        """Processes whose death a journal alone has told."""
        self.there = 0
        """Reports that lay there before."""
        for place in self._places():
            names = _names(place) or []
            self._seen.update(f"{place}/{name}" for name in names if _is_old(name))
            self.there += sum(name.startswith(_KINDS) for name in names if report_name(name) is not None)

    @property
    def over(self) -> bool:
        """Never: there may always be another one."""
        return False

    def look(self) -> Iterator[Event]:
        """Yield deaths and boots that are new, oldest first."""
        present: set[str] = set()
        complete = True
        for place in self._places():
            names = _names(place)
            complete = complete and names is not None
            yield from self._presence(place, names)
            for name in sorted(names or (), key=lambda name: report_name(name) or ("", "", name)):
                path = f"{place}/{name}"
                if not _is_news(name):
                    continue
                present.add(path)
                if path not in self._seen:
                    yield from self._journal(path, name) if name.endswith(".jsonl") else self._report(path)
        if complete:
            # What was pruned or swept need not be remembered; of a directory that is gone everything is.
            self._seen &= present
            self._gone = {path: since for path, since in self._gone.items() if path in present}
        while self._problems:
            yield Event(kind=PROBLEM, at=self._clock(), text=self._problems.pop(0))

    def analysis(self) -> Analysis:
        """Return the incidents of everything that was new."""
        return self._live.analysis()

    def _places(self) -> Iterator[str]:
        for directory in self._directories:
            yield directory
            for name in sorted(_names(directory, folders=True) or ()):
                yield f"{directory}/{name}"

    def _presence(self, place: str, names: Sequence[str] | None) -> Iterator[Event]:
        if names is None and place not in self._missing:
            self._missing.add(place)
            yield Event(kind=PROBLEM, at=self._clock(), text=f"{place} is not there; it is looked for again")
        elif names is not None and place in self._missing:
            self._missing.discard(place)
            yield Event(kind=PROBLEM, at=self._clock(), text=f"{place} is there now")

    def _report(self, path: str) -> Iterator[Event]:
        found = self._live.report(path)
        if found is None:
            self._tries[path] = self._tries.get(path, 0) + 1
            if self._tries[path] >= TRIES:
                self._done(path)
                yield Event(kind=PROBLEM, at=self._clock(), text=f"{path} cannot be read as a report")
            return
        self._done(path)
        document, death = found
        if document.get("kind") == "crash":
            if death is not None and (death.role, death.pid, death.server) not in self._buried:
                yield _died(death, document, path)
        elif document.get("kind") == "boot":
            yield _ready(document, path, self._clock())

    def _journal(self, path: str, name: str) -> Iterator[Event]:
        """Look at the journal of a process that is gone: its master writes the report, unless that is gone, too."""
        key = key_of(name)
        if key is None or is_running(key.pid, key.start):
            return
        if self._clock() - self._gone.setdefault(path, self._clock()) < SETTLE:
            return
        death = self._live.journal(path)
        if death is None:
            # It lives in another PID namespace, has ended well, or was swept just now: asked again in a while.
            self._gone[path] = self._clock()
            return
        self._done(path)
        self._buried.add((death.role, death.pid, death.server))
        yield _died(death, {}, path)

    def _done(self, path: str) -> None:
        self._seen.add(path)
        self._tries.pop(path, None)
        self._gone.pop(path, None)


def _judge(path: str) -> None:
    if os.path.lexists(path) and not os.path.isdir(path):
        msg = f"{path} is no directory. Name a report directory; for a file use `bootcheck analyze {path}`."
        raise CannotWatch(msg)
    if not os.path.isdir(path) and not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        msg = f"{path} does not exist, nor does the folder around it."
        raise CannotWatch(msg)


def _names(place: str, *, folders: bool = False) -> list[str] | None:
    """Return the names of the regular files in a place, or of our folders there; None where there is no place."""
    try:
        with os.scandir(place) as entries:
            if folders:
                return [e.name for e in entries if _OWN_FOLDER.fullmatch(e.name) and e.is_dir(follow_symlinks=False)]
            return [e.name for e in entries if e.is_file(follow_symlinks=False)]
    except OSError:
        return None


def _is_news(name: str) -> bool:
    """Tell a report or a journal from what is half-written (it has another name until it is whole) or no news."""
    return (name.startswith(_KINDS) and report_name(name) is not None) or key_of(name) is not None


def _is_old(name: str) -> bool:
    """Tell what lies there at the beginning from the journals of processes that live, and may still die."""
    key = key_of(name)
    return _is_news(name) and (key is None or not is_running(key.pid, key.start))


def _died(death: Death, document: Mapping[str, Any], path: str) -> Event:
    finding = death.finding
    slug = CODES[finding.code].slug if finding.code in CODES else "unknown"
    at = death.at if death.at is not None else time.time()
    who = f"{death.role} {death.pid or '?'}{f' on {death.host}' if death.host else ''}"
    summary = quoted(finding.summary)
    verdict = f"{finding.code} {slug}, class {death.cause_class}, confidence {finding.confidence}"
    actions = [quoted(text) for text in finding.action]
    return Event(
        kind=DEATH,
        at=at,
        text=f"{who} died: {summary}",
        data={
            "report_id": death.report_id,
            "role": death.role,
            "pid": death.pid,
            "host": death.host,
            "code": finding.code,
            "slug": slug,
            "cause": death.cause.value,
            "cause_class": death.cause_class,
            "step": death.step,
            "summary": summary,
            "action": actions,
            "confidence": finding.confidence,
            "fingerprint": document.get("fingerprint"),
            "path": path,
        },
        more=(("What", [verdict]), ("What to do", actions[:2]), ("Report", [path])),
        bad=True,
    )


def _ready(document: Mapping[str, Any], path: str, now: float) -> Event:
    attributes = document.get("attributes")
    known = attributes if isinstance(attributes, Mapping) else {}
    pid, took = known.get("process.pid"), known.get("bootcheck.boot.duration_s")
    after = f" after {took:.1f} s" if isinstance(took, (int, float)) else ""
    at = epoch(str(document.get("timestamp", "")).replace("T", " "))
    return Event(
        kind=READY,
        at=at if at is not None else now,
        text=f"{document.get('role')} {pid} is ready{after}",
        data={"role": document.get("role"), "pid": pid, "host": known.get("host.name"), "path": path},
    )
