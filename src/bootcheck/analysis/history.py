"""What was read, kept as lives of processes and as moments: for charts, timelines and comparisons.

Only formats that tell of them ask for it. It is bounded: of more it keeps the first and counts the rest; a brief
one then listens no more, so that a large input costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bootcheck.analysis import gunicorn_lines as said
from bootcheck.analysis import spans
from bootcheck.analysis.pattern import seconds
from bootcheck.analysis.quoting import quoted
from bootcheck.analysis.readers.prefixes import Record
from bootcheck.analysis.spans import Span
from bootcheck.analysis.stops import CHANGING, STOPPING
from bootcheck.model.boot import Boot

MAX_SPANS = 2_000
MAX_MOMENTS = 5_000
MAX_STRANGERS = 20
BRIEF_SPANS = 500
BRIEF_MOMENTS = 2_000


@dataclass(slots=True, kw_only=True)
class Moment:
    """One entry of the timeline."""

    at: float
    text: str
    source: str
    line: int | None = None
    host: str | None = None
    bad: bool = False
    good: bool = False
    """A process became ready."""
    count: int = 1
    beside: bool = False
    """A log of others says it: it is shown, and nothing is concluded from it."""
    until: float | None = None
    """The last time, where the same came several times."""


def _everything(at: float | None, host: str | None) -> bool:  # noqa: ARG001 - the signature of a filter
    return True


class History:
    """The lives and moments of an analysis; never raises for what stands in a file."""

    def __init__(
        self, covers: Callable[[float | None, str | None], bool] = _everything, *, brief: bool = False
    ) -> None:
        self._brief = brief
        self._most = (BRIEF_SPANS, BRIEF_MOMENTS) if brief else (MAX_SPANS, MAX_MOMENTS)
        self.spans: list[Span] = []
        self.moments: list[Moment] = []
        self.left_out = 0
        """Moments that there was no room for."""
        self.spans_left_out = 0
        self.untimed = 0
        """Lines of Gunicorn that have no time."""
        self.strangers: list[str] = []
        """Logs in which nothing is a server's."""
        self._covers = covers
        self._open: dict[tuple[str, str, int], Span] = {}
        """Of logs: by source, stream and pid."""
        self._ordered: set[tuple[str, str]] = set()
        """Of which logs, by source and stream, the server was told to stop or to change."""
        self._ids: set[str] = set()
        self._told: set[str] = set()

    @property
    def whole(self) -> bool:
        """True while nothing had to be left out: only then is the last one kept the last there was."""
        return not (self.left_out or self.spans_left_out)

    # -- what the collector calls ---------------------------------------------------------------

    def report(self, document: Mapping[str, Any], source: str) -> None:
        """Keep the life that a crash or boot report tells of."""
        if self._deaf:
            return
        identity = f"{document.get('report_id') or source}\0{'checkpoints' in document}"
        if identity in self._ids:
            return
        self._ids.add(identity)
        try:
            span = spans.of_report(document, source)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return
        if span is None or not self._covers(span.ended or span.ready, span.host):
            return
        self._add(span)
        told = str(document.get("report_id") or source)
        if told not in self._told:
            # Its file and its line on stderr are one moment.
            self._told.add(told)
            self._tell(span)

    def journal(self, boot: Boot, source: str) -> None:
        """Keep the life that a journal tells of, ended or not."""
        if self._deaf:
            return
        try:
            span = spans.of_journal(boot, source)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return
        if span is None or not self._covers(boot.last_at, span.host):
            return
        self._add(span)
        if span.started is not None:
            self._keep(Moment(at=span.started, text=f"{span.role} {span.pid} starts", source=source, host=span.host))

    def line(self, record: Record, *, telltale: Callable[[str], bool]) -> None:
        """Keep what a line of a log says of a process, or of the platform around it."""
        if self._deaf:
            return
        event = said.event_of(record.text)
        if event is None:
            if telltale(record.text):
                self._say(record, bad=True)
            return
        kind, match = event
        if kind in _SILENT:
            return
        place = (record.source, record.stream)
        if kind == said.SIGNAL and match["name"] in (STOPPING | CHANGING):
            self._ordered.add(place)
        elif kind == said.START:
            self._ordered.discard(place)
        as_told = kind == said.KILLED and place in self._ordered and said.signal_of(match) in _ORDERS
        self._say(record, bad=kind in _BAD and not as_told, good=kind == said.READY)
        self._live(said.EXITING if as_told else kind, match, record)

    def stranger(self, source: str) -> None:
        """Keep the name of a log in which nothing is a server's."""
        if not self._brief and len(self.strangers) < MAX_STRANGERS:
            self.strangers.append(source)

    def beside(self, moment: Moment) -> None:
        """Keep what such a log says."""
        if self._covers(moment.at, moment.host):
            self._keep(moment)

    @property
    def _deaf(self) -> bool:
        return self._brief and not self.whole

    # -- within -----------------------------------------------------------------------------------

    def _tell(self, span: Span) -> None:
        at = span.ended if span.ended is not None else span.ready
        if at is None:
            return
        died = span.ended is not None
        took = f" after {seconds(max(0.0, at - span.started))}" if span.started is not None else ""
        text = f"{span.role} {span.pid}: {span.summary}" if died else f"{span.role} {span.pid} is ready{took}"
        self._keep(Moment(at=at, text=text, source=span.source, host=span.host, bad=died, good=not died))

    def _add(self, span: Span) -> None:
        if len(self.spans) < self._most[0]:
            self.spans.append(span)
        else:
            self.spans_left_out += 1

    def _say(self, record: Record, *, bad: bool = False, good: bool = False) -> None:
        if record.at is None:
            self.untimed += 1
            return
        if self._covers(record.at, record.host):
            self._keep(
                Moment(
                    at=record.at,
                    text=quoted(record.text, 300),
                    source=record.source,
                    line=record.line,
                    host=record.host,
                    bad=bad or record.level == "CRITICAL",
                    good=good,
                )
            )

    def _keep(self, moment: Moment) -> None:
        if len(self.moments) < self._most[1]:
            self.moments.append(moment)
        else:
            self.left_out += 1

    def _live(self, kind: str, match: re.Match[str], record: Record) -> None:
        if not self._covers(record.at, record.host):
            return
        if kind == said.START and record.pid is not None:
            span = self._begin("master", record.pid, record)
            span.settings = {"bootcheck.gunicorn.version": match["version"]}
        elif kind == said.BOOTING:
            self._begin("worker", _pid(match), record)
        elif kind == said.READY and record.pid is not None:
            self._of(record, record.pid).ready = record.at
        elif kind in _ENDS:
            self._end(kind, match, record)

    def _end(self, kind: str, match: re.Match[str], record: Record) -> None:
        pid = _pid(match) or record.pid or 0
        if not pid:
            return
        span = self._of(record, pid)
        span.ended = span.ended if span.ended is not None else record.at
        if kind == said.TIMEOUT:
            span.cause = "gunicorn_timeout"
        elif kind == said.RAISED:
            span.cause = span.cause or "exception"
        elif kind == said.KILLED:
            span.cause = span.cause or said.signal_of(match)
        elif kind == said.EXITED and match["code"] != "0":
            span.cause = span.cause or f"exit {match['code'][:5]}"

    def _begin(self, role: str, pid: int, record: Record) -> Span:
        span = Span(role=role, pid=pid, source=record.source, host=record.host, started=record.at, of_log=True)
        self._add(span)
        if len(self._open) < MAX_SPANS:
            self._open[(record.source, record.stream, pid)] = span
        return span

    def _of(self, record: Record, pid: int) -> Span:
        span = self._open.get((record.source, record.stream, pid))
        if span is None:
            span = self._begin("worker", pid, record)
            span.started = None
        return span


def kept(how: str, covers: Callable[[float | None, str | None], bool] = _everything) -> History | None:
    """Return the history that a format asks for: nothing, brief or whole."""
    return None if how == "nothing" else History(covers, brief=how == "brief")


def _pid(match: re.Match[str]) -> int:
    return int((match.groupdict().get("pid") or "0")[:9])


_SILENT = frozenset({said.SERVING, said.NESTED, said.NOTED, said.WORKER_CLASS, said.CONFIG_ERROR, said.MAIN_LOOP})
"""Of which a timeline has no use, or that an app may print as well."""
_BAD = frozenset(
    {
        said.RAISED,
        said.TIMEOUT,
        said.KILLED,
        said.REASON,
        said.APP_NOT_FOUND,
        said.CANNOT_BIND,
        said.LIFESPAN_FAILED,
        said.REQUEST_ERROR,
    }
)
_ORDERS = frozenset({"SIGTERM", "SIGINT", "SIGQUIT"})
"""By which a master passes on what it was told."""
_ENDS = frozenset({said.EXITING, said.RAISED, said.TIMEOUT, said.KILLED, said.EXITED, said.HALT})
