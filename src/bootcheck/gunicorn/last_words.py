"""When a death goes into the platform's termination message, and when it is taken back.

The message must stand there before the container ends, by whatever. So a death before ready is
written at once while nobody serves, and taken back when a worker becomes ready after all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bootcheck.gunicorn import chain, seams
from bootcheck.model.cause import Cause
from bootcheck.model.report import Report
from bootcheck.sinks import termination

if TYPE_CHECKING:
    from bootcheck.gunicorn.master import Master

_SERVING = ("master", "worker")
"""Dirty workers come and go beside a server that serves."""
_FOLLOWING = frozenset({Cause.SIGTERM, Cause.SIGKILL_GRACEFUL_TIMEOUT, Cause.VANISHED})
"""How processes end because something else was wrong: never told in place of that."""


class LastWords:
    """The termination message of one server."""

    def __init__(self, path: str, *, create: bool = False, serves: Callable[[], bool] = lambda: False) -> None:
        self._path = path
        self._create = create
        self._serves = serves
        self._written = False
        self._final = False
        self._watched = False
        self._complained = False
        self.watch: Callable[[], object] = lambda: None
        """Called when a message was written that may have to be taken back."""

    def death(self, report: Report, headline: str, path: str | None, stops_server: bool) -> str | None:  # noqa: FBT001
        """Write a death if it is why the container may end; return a complaint where that cannot be done."""
        if not stops_server:
            if report.role not in _SERVING:
                return None
            if report.attributes.get("bootcheck.ready") is not False or self._final or self._serves():
                return None
            if self._written and report.verdict.cause in _FOLLOWING:
                return None
        if not termination.write(self._path, termination.message(report, headline, path), create=self._create):
            complaint = None if self._complained else f"the termination message cannot be written to {self._path}"
            self._complained = True
            return complaint
        self._final = self._final or stops_server
        self._written = True
        if not stops_server and not self._watched:
            self._watched = True
            self.watch()
        return None

    def look(self) -> None:
        """Take a message back that is no longer why the container would end."""
        if self._written and not self._final and self._serves():
            self._written = not termination.write(self._path, b"")


def of_master(master: Master) -> LastWords | None:
    """Return the message of an armed master, None where no platform reads one."""
    path = termination.place(master.environ, master.termination_log)
    if path is None:
        return None
    words = LastWords(path, create=master.termination_log is not None, serves=master.receiver.any_ready)
    words.watch = lambda: master.arbiter and seams.on_turn(master.arbiter, chain.quietly(words.look))
    return words


def of_parent(environ: Mapping[str, str]) -> LastWords | None:
    """Return the message of a server that `bootcheck run` started."""
    path = termination.place(environ)
    return None if path is None else LastWords(path)
