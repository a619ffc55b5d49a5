"""Takes everything that was read and keeps each death once, whatever tells of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bootcheck.analysis import boots, deaths, gunicorn_lines
from bootcheck.analysis.classify import Diagnoser, Diagnosis, precedence
from bootcheck.analysis.deaths import ANNOUNCEMENT, JOURNAL, LOG, REPORT, Death
from bootcheck.analysis.incidents import Inputs, Unexplained, Warned
from bootcheck.analysis.logs import Log
from bootcheck.analysis.quoting import quoted, template
from bootcheck.analysis.readers.prefixes import Record
from bootcheck.analysis.trouble import BOOT, Trouble
from bootcheck.model.boot import Boot
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding, Severity

NEAR = 5.0
"""Seconds by which two tellings of one death may differ: logs have whole seconds, a timeout takes one."""
MAX_TEMPLATES = 200
MAX_UNREADABLE = 1_000
MAX_SYMPTOMS = 10_000
_RANK = {REPORT: 0, ANNOUNCEMENT: 1, JOURNAL: 2, LOG: 3}


class Collector:
    """The intake of `analyze`."""

    def __init__(self, complain: Callable[[str], None]) -> None:
        self.inputs = Inputs()
        self.warned: dict[tuple[str, str], Warned] = {}
        self._diagnoser = Diagnoser(complain)
        self._by_id: dict[str, Death] = {}
        self._deaths: list[Death] = []
        self._journals: list[tuple[Boot, Death]] = []
        self._boots: set[str] = set()
        self._templates: dict[str, Unexplained] = {}
        self._source = ""
        self._log: Log | None = None
        self._classes: set[str] = set()
        self._claims: list[tuple[Trouble, str]] = []
        self._conclusions: dict[tuple[str, ...], Diagnosis] = {}

    # -- what readers call --------------------------------------------------------------------

    @property
    def words(self) -> tuple[str, ...]:
        """One of them stands in every line that may matter."""
        return (*gunicorn_lines.WORDS, *self._diagnoser.words)

    @property
    def attentive(self) -> bool:
        """True while the next line matters whatever it says."""
        return self._log is not None and self._log.attentive

    @property
    def served(self) -> bool:
        """True once the server of this log is known to have answered requests."""
        return self._log is not None and self._log.served

    def begin(self, source: str) -> None:
        """A source begins."""
        self._source = source
        self._log = None
        self._classes = set()

    def end(self, source: str, lines: int, *, read: bool) -> None:
        """A source is over: tell what its log leaves open, then what single lines of it tell."""
        log, self._log = self._log, None
        if log is not None:
            log.end()
            self._by_telltale(log, source)
        self.inputs.files += read
        self.inputs.lines += lines

    def unreadable(self, source: str, reason: str) -> None:
        """Keep what could not be read."""
        self.inputs.unreadable_count += 1
        if len(self.inputs.unreadable) < MAX_UNREADABLE:
            self.inputs.unreadable.append({"source": source, "reason": reason})

    def report(self, document: Mapping[str, Any], source: str, line: int | None, *, alone: bool) -> None:
        """Keep a report once, whether its file or its line on stderr is seen first."""
        identity = document.get("report_id")
        identity = identity if isinstance(identity, str) else f"{source}:{line}"
        kind = document.get("kind")
        if kind != "crash":
            if identity not in self._boots:
                self._boots.add(identity)
                self.inputs.reports += 1
                self._warnings(document)
            return
        full = "checkpoints" in document
        known = self._by_id.get(identity)
        if known is not None and not (full and known.kind == ANNOUNCEMENT):
            return
        try:
            death = deaths.of_report(document, source, self._diagnoser, full=full)
        except Exception as exc:  # noqa: BLE001 - whatever stands in a file must not end the analysis
            self.unreadable(
                source if line is None else f"{source}:{line}",
                f"a report that cannot be understood ({type(exc).__name__}: {exc})",
            )
            return
        if full and not alone:
            death.path = source
        if known is None:
            self.inputs.reports += 1
        self._by_id[identity] = death

    def journal(self, boot: Boot, source: str, path: str | None, *, torn: bool) -> None:
        """Keep a journal without an end whose process does not live."""
        self._boot_findings(boot)
        if boot.end is not None or boots.alive(boot.head, path):
            return
        trouble = boots.death_of(boot, source, fault=boots.fault_text(path), torn=torn or boot.broken_lines > 1)
        if trouble is None:
            return
        diagnosis = self._diagnoser.diagnose(trouble)
        if trouble.cause is Cause.CHECK_FAILED:
            diagnosis = _refused(boot, trouble) or diagnosis
        if diagnosis is None:
            return
        death = deaths.of_trouble(trouble, diagnosis, source, JOURNAL)
        death.path = source
        server = boot.head.get("server_id")
        death.server = server if isinstance(server, str) else None
        self._journals.append((boot, death))

    def record(self, record: Record) -> None:
        """Hand a line of a log to its reconstruction."""
        if self._log is None:
            self._log = Log(self._source, self, self._diagnoser.is_telltale)
        self._log.feed(record)

    # -- what a log calls -----------------------------------------------------------------------

    def trouble(self, trouble: Trouble) -> None:
        """Keep what a log tells of one process."""
        diagnosis = self._diagnoser.diagnose(trouble)
        if diagnosis is None:
            if trouble.error is not None and trouble.said:
                self.unexplained(
                    trouble.error.text.splitlines()[0], trouble.said[-1].source, trouble.said[-1].line or 0
                )
            return
        self._classes.add(diagnosis.cause_class)
        if not trouble.died and len(self._deaths) >= MAX_SYMPTOMS:
            return
        self._deaths.append(deaths.of_trouble(trouble, diagnosis, self._source))

    def unexplained(self, text: str, source: str, line: int) -> None:
        """Count an error line that belongs to no trouble, by its template."""
        key = template(text)
        known = self._templates.get(key)
        if known is not None:
            known.count += 1
        elif len(self._templates) < MAX_TEMPLATES:
            self._templates[key] = Unexplained(key, 1, source, line)

    # -- the result -------------------------------------------------------------------------------

    def result(self) -> tuple[list[Death], list[Unexplained]]:
        """Return every death once, and the unexplained lines, most frequent first."""
        found = list(self._by_id.values())
        index = _Index(found)
        for boot, death in self._journals:
            if index.of_journal(boot, death) is None:
                found.append(death)
                index.add(death)
        for death in self._deaths:
            same = index.same(death)
            if same is None:
                found.append(death)
                index.add(death)
            else:
                _merge(same, death)
        return found, sorted(self._templates.values(), key=lambda item: -item.count)

    # -- within -------------------------------------------------------------------------------------

    def _by_telltale(self, log: Log, source: str) -> None:
        if not log.notes:
            return
        best = min((precedence(name) for name in self._classes), default=precedence(""))
        trouble = Trouble(
            cause=Cause.OS_EXIT, role="master", moment=BOOT, said=tuple(log.notes), around=log.around, stops_server=True
        )
        for diagnosis in self._diagnoser.by_telltale(trouble):
            # What the platform says of a server that died is its consequence, unless it is worse.
            if precedence(diagnosis.cause_class) >= best:
                continue
            best = precedence(diagnosis.cause_class)
            told = replace(trouble, said=diagnosis.finding.evidence)
            self._deaths.append(deaths.of_trouble(told, diagnosis, source))

    def _warnings(self, document: Mapping[str, Any]) -> None:
        attributes = document.get("attributes")
        found = document.get("findings")
        for item in found if isinstance(found, list) else []:
            try:
                finding = Finding.from_dict(item)
            except (KeyError, TypeError, ValueError, AttributeError):
                continue
            if finding.severity is Severity.INFO:
                continue
            key = (finding.code, template(finding.summary))
            known = self.warned.setdefault(key, Warned(finding))
            known.add(document, attributes if isinstance(attributes, dict) else {})

    def _boot_findings(self, boot: Boot) -> None:
        """A journal's own findings are in its boot report, once it is ready."""


def _refused(boot: Boot, trouble: Trouble) -> Diagnosis | None:
    errors = [finding for finding in boot.findings if finding.severity is Severity.ERROR]
    if not errors:
        return None
    first = next((finding for finding in errors if finding.declared), errors[0])
    return Diagnosis(replace(first, evidence=(*first.evidence, *trouble.said)), first.rule.cause_class, specific=True)


class _Index:
    """Strictly private: finds the telling of the same death among those already kept."""

    def __init__(self, found: list[Death]) -> None:
        self._by_pid: dict[int, list[Death]] = {}
        self._taken: set[tuple[int, str]] = set()
        for death in found:
            self.add(death)

    def add(self, death: Death) -> None:
        if death.pid is not None:
            self._by_pid.setdefault(death.pid, []).append(death)

    def of_journal(self, boot: Boot, death: Death) -> Death | None:
        """Return the report about a journal's process."""
        for other in self._by_pid.get(death.pid or -1, ()):
            if other.role != death.role or not _compatible(other.host, death.host):
                continue
            if other.server and death.server:
                if other.server == death.server:
                    return other
                continue
            started, last = death.since, boot.last_at
            if other.at is None or (
                (started is None or other.at >= started - NEAR) and (last is None or other.at >= last - NEAR)
            ):
                return other
        return None

    def same(self, death: Death) -> Death | None:
        """Return another source's telling of this death; one source never tells a death twice."""
        for other in self._by_pid.get(death.pid or -1, ()):
            key = (id(other), death.source)
            if (other.kind == LOG and other.source == death.source) or key in self._taken:
                continue
            if not _compatible(other.host, death.host) or not _near(other, death):
                continue
            if other.kind == LOG and other.cause is not death.cause:
                continue
            self._taken.add(key)
            return other
        return None


def _compatible(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one.partition(".")[0] == other.partition(".")[0]


def _near(one: Death, other: Death) -> bool:
    if one.at is None or other.at is None:
        # Without any time only a report of the same log can be meant.
        return one.source == other.source
    return abs(one.at - other.at) <= NEAR


def _merge(kept: Death, other: Death) -> None:
    """Let a fuller telling gain what only the other one knows."""
    kept.host = kept.host or other.host
    kept.since = kept.since if kept.since is not None else other.since
    kept.stops = kept.stops or other.stops
    if other.specific and not kept.specific:
        kept.cause_class, kept.specific = other.cause_class, True
        kept.finding = replace(
            other.finding,
            code=kept.finding.code,
            evidence=(*other.finding.evidence, *kept.finding.evidence)[: deaths.MAX_EVIDENCE],
        )
        return
    lines = tuple(item for item in other.finding.evidence if item.line is not None)[:2]
    if lines and len(kept.finding.evidence) < deaths.MAX_EVIDENCE:
        kept.finding = replace(kept.finding, evidence=(*kept.finding.evidence, *lines))


def masked(finding: Finding) -> Finding:
    """Return the finding as it may be shown."""
    return replace(
        finding,
        summary=quoted(finding.summary),
        action=tuple(quoted(item) for item in finding.action),
        against=tuple(quoted(item) for item in finding.against),
        confirm=None if finding.confirm is None else quoted(finding.confirm),
        evidence=tuple(replace(item, text=quoted(item.text), source=quoted(item.source)) for item in finding.evidence),
    )
