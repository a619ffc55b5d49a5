"""What is kept of reports, as plain values: read by one process, kept by another.

Deaths that are alike in all that decides share one conclusion: it is drawn once, and of each of them
only who died when is handed on. Its own words are read again for the few that are told (`Alike`).
What cannot be told so in short is left to the readers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bootcheck.analysis import briefs, deaths, durations
from bootcheck.analysis.briefs import ATTRIBUTES, Brief
from bootcheck.analysis.classify import MAX_KINDS, Diagnoser
from bootcheck.analysis.deaths import Alike, Death, number, text
from bootcheck.analysis.readers import Batch
from bootcheck.analysis.readers.places import piece
from bootcheck.analysis.readers.stamps import Stamps
from bootcheck.analysis.readers.values import is_report, parsed
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence, Finding, Severity

CRASH, BOOT = "crash", "boot"
SOON = 50
"""Kinds of deaths that are concluded upon in the meantime, too."""
SANE = 1e15
"""Seconds that nothing lasts: a report with such a number is read whole."""
Row = tuple[Any, ...]
"""Which kind of death, or that it is a boot; report_id; and what is its own."""
Boot = tuple[str, "durations.Told | None", "int | None"]
"""Of a boot: report_id, what is kept of it, and its place."""
_BOOT = -1
_SHARED = (
    "kind",
    "cause_class",
    "subject",
    "role",
    "step",
    "origin",
    "sent_here",
    "ready",
    "stops",
    "specific",
)
_WITH_TEXT = frozenset(cause.value for cause in deaths.BY_EXCEPTION)
_SENDERS = ATTRIBUTES[11:16]
_NOBODY = (None,) * 4
_ODD = (Cause.SYS_EXIT.value, "master")
"""What a port check of the same start had found decides: nothing is alike."""


class _Kind:
    """Strictly private: what deaths that are alike share, and its number in the batch that it was last used in."""

    __slots__ = ("batch", "number", "packed")

    def __init__(self, death: Death) -> None:
        self.packed = (death.cause.value, _packed(death.finding), *(getattr(death, name) for name in _SHARED))
        self.batch = self.number = -1


class Digester:
    """Reads reports for another process: some, then `taken`, then some more."""

    def __init__(self, diagnoser: Diagnoser) -> None:
        self._diagnoser = diagnoser
        self._read = briefs.reader()
        self._stamps = Stamps()
        self._known: dict[tuple[Any, ...], _Kind] = {}
        self._batch = 0
        self._kinds: list[tuple[Any, ...]] = []
        self._rows: list[Row] = []

    def take(self, data: bytes, source: str, place: int | None = None) -> bool:
        """Read a report, at this place of a source of many; return False where it is none, or more than is told so."""
        try:
            brief = self._read(data)
            row = None if brief is None else self._row(brief, data, source, place)
        except Exception:  # noqa: BLE001 - said by the one that reads it whole
            return False
        if row is None:
            return False
        self._rows.append(row)
        return True

    def taken(self) -> Batch:
        """Return what was read since the last time."""
        taken = (self._kinds, self._rows)
        self._kinds, self._rows = [], []
        self._batch += 1
        return taken

    def _row(self, brief: Brief, data: bytes, source: str, place: int | None) -> Row | None:
        kind, identity = brief[2:4]
        if not isinstance(identity, str) or not identity:
            return None
        if kind == CRASH:
            return self._crash(brief, data, source, place)
        return _boot(brief, place) if kind == BOOT else None

    def _crash(self, brief: Brief, data: bytes, source: str, place: int | None) -> Row | None:
        told, values, _, identity, timestamp, role, step, findings, path, full = brief
        cause, code, confidence, summary, evidence = told
        ready, signal, exit_code, pid, uptime, raised, message, trace, host, server, origin, parent = values[:12]
        senders = values[12:16]
        pid = number(pid)
        sent = None if evidence is None else briefs.sender(evidence)
        uptime = uptime if isinstance(uptime, (int, float)) else None
        if (cause, role) == _ODD or not -SANE < (uptime or 0) < SANE:
            return None
        # All that decides, as it stands; what is equal means the same, but for numbers that Python calls equal.
        key = (
            (cause, code, confidence, full is None, role, step, ready is True, ready is False, signal),
            (exit_code, type(exit_code) is int, raised, message, trace, origin, sent),
            (text(summary) or "")[: deaths.MAX_MESSAGE].replace(str(pid), "") if cause in _WITH_TEXT else None,
            "; ".join(deaths.error_codes({"findings": findings})) if findings else "",
            senders != _NOBODY and deaths.sent_here(dict(zip(_SENDERS, [parent, *senders], strict=True))),
        )
        kind = self._known.get(key)
        if kind is None:
            if len(self._known) >= MAX_KINDS:
                return None
            death = deaths.of_report(parsed(data), source, self._diagnoser, full=full is not None)
            kind = self._known[key] = _Kind(death)
        if kind.batch != self._batch:
            kind.batch, kind.number = self._batch, len(self._kinds)
            self._kinds.append(kind.packed)
        at = self._stamps.epoch(timestamp)
        since = None if at is None or uptime is None else at - uptime
        path = None if full is not None else text(path)
        return (kind.number, identity, pid, text(host), at, since, text(server), full is not None, path, place)


def _boot(brief: Brief, place: int | None) -> Row | None:
    _, values, _, identity, timestamp, role, _, findings, _, _ = brief
    if role != "worker" or findings != []:
        return None
    _, _, _, pid, _, _, _, _, host, server, _, _, _, _, _, _, app, took = values
    boot = durations.boot_of(timestamp, took, host, app, server, pid)
    return None if boot is not None and not -SANE < boot[3] < SANE else (_BOOT, identity, boot, place)


class Unpacker:
    """Makes deaths and boots of what another process has read."""

    def __init__(self, diagnoser: Diagnoser) -> None:
        self._diagnoser = diagnoser
        self._shared: dict[tuple[Any, ...], Death] = {}
        self._same: dict[str | None, str | None] = {}

    def unpacked(self, batch: Batch, sources: Sequence[str]) -> Iterator[Death | Boot]:
        """Yield the death of each report; of a boot what is kept of it."""
        kinds, rows = batch
        fresh = {number for number, kind in enumerate(kinds) if kind not in self._shared}
        shared = [self._shared.get(kind) or self._of_kind(kind) for kind in kinds]
        same = self._same
        for row, source in zip(rows, sources, strict=True):
            if row[0] == _BOOT:
                yield row[1:]
                continue
            kind, identity, pid, host, at, since, server, full, path, place = row
            host, server = same.setdefault(host, host), same.setdefault(server, server)
            path = source if full else path
            death = shared[kind].like(source, pid, host, at, since, server, identity, path, place)
            if fresh and kind in fresh:
                fresh.discard(kind)
                if len(self._shared) <= SOON:
                    # What compiles the patterns that tell of it at the end, while others still read.
                    self._again(death)
            yield death

    def _of_kind(self, kind: tuple[Any, ...]) -> Death:
        cause, packed, *values = kind
        finding = _unpacked(packed)
        told = Alike(finding.code, finding.confidence, finding, self._again)
        about = dict(zip(_SHARED, values, strict=True))
        shared = Death(cause=Cause(cause), told=told, source="", **about)
        if len(self._shared) < MAX_KINDS:
            self._shared[kind] = shared
        return shared

    def _again(self, death: Death) -> Finding | None:
        """Return the conclusion on a report in its own words, None where it is gone meanwhile."""
        document = parsed(piece(death.source, death.place))
        if not is_report(document) or document.get("report_id") != death.report_id:
            return None
        try:
            full = "checkpoints" in document
            return deaths.of_report(document, death.source, self._diagnoser, full=full).finding
        except Exception:  # noqa: BLE001 - it was another one when it was read first
            return None


def _packed(finding: Finding) -> tuple[Any, ...]:
    return (
        finding.code,
        finding.summary,
        finding.action,
        tuple((item.text, item.source, item.line) for item in finding.evidence),
        finding.against,
        finding.missing,
        finding.severity.value,
        finding.confirm,
        finding.confidence,
        finding.declared,
        finding.step,
    )


def _unpacked(packed: tuple[Any, ...]) -> Finding:
    code, summary, action, evidence, against, missing, severity, confirm, confidence, declared, step = packed
    return Finding(
        code=code,
        summary=summary,
        action=action,
        evidence=tuple(Evidence(text=told, source=source, line=line) for told, source, line in evidence),
        against=against,
        missing=missing,
        severity=Severity(severity),
        confirm=confirm,
        confidence=confidence,
        declared=declared,
        step=step,
    )
