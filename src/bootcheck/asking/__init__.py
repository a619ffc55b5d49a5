"""The questions of a start, asked without a server: for `check`, and again for `verify`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TextIO

from bootcheck.checks.base import Context, Moment, Planned
from bootcheck.checks.planning import plan
from bootcheck.gunicorn.preflight import Preflight
from bootcheck.gunicorn.rehearsal import AppLoad
from bootcheck.gunicorn.server import sources_of
from bootcheck.model.finding import Finding
from bootcheck.model.journal import CHECKPOINT, FINDING
from bootcheck.model.redactor import Redactor
from bootcheck.recorder import Recorder
from bootcheck.render import Checked
from bootcheck.settings import Settings

if TYPE_CHECKING:
    from bootcheck.gunicorn.rehearsal import Configured

_LEFT_OUT = {"initialise": "only a server initialises its database"}


def ask(  # noqa: PLR0913 - options by keyword
    configured: Configured,
    settings: Settings,
    *,
    load: bool,
    timeout: float,
    names: Sequence[str] | None = None,
    stream: TextIO | None = None,
) -> tuple[list[Checked], bool]:
    """Ask what a start asks; return what each check came to, and whether the app was loaded.

    `load` asks for the app's import, in `timeout` seconds; it cannot be where no app is named.
    `names` leaves only the checks with these names; each checkpoint is a line on the stream.
    """
    everything = plan(configured.declared, settings, configured.environ, configured.server)
    if names is not None:
        everything = [item for item in everything if item.check.name in names]
    before = [item for item in everything if item.check.moment is not Moment.WORKER]
    inside = [item for item in everything if item.check.moment is Moment.WORKER]
    app = _app_of(configured, inside, timeout) if load else None
    records = _Records(stream)
    _run([*before, *([Planned(app, True)] if app is not None else [])], configured, records)
    skipped = [
        Checked(
            name=item.check.name,
            subject=item.check.subject,
            skipped=_LEFT_OUT.get(item.check.name, "no app was loaded"),
        )
        for item in inside
        if app is None or item.check.name in _LEFT_OUT
    ]
    return [*records.checked(app), *skipped], app is not None


def _app_of(configured: Configured, inside: Sequence[Planned], timeout: float) -> AppLoad | None:
    if configured.app_uri is None:
        return None
    runnable = tuple(item for item in inside if item.check.name not in _LEFT_OUT)
    return AppLoad(application=configured.application, uri=configured.app_uri, inside=runnable, budget=timeout)


def _run(planned: Sequence[Planned], configured: Configured, records: _Records) -> None:
    environ = configured.environ
    context = Context(
        environ=environ,
        recorder=Recorder([records], redactor=Redactor(environ)),
        server=configured.server,
        sources=sources_of(dict(os.environ), configured.application.cfg.env),
    )
    Preflight(planned, context).run()


class _Records:
    """Strictly private: a sink that puts the records of each check back together."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._order: list[dict[str, Any]] = []
        self._open: list[dict[str, Any]] = []

    def write(self, record: Mapping[str, Any], line: bytes) -> None:  # noqa: ARG002
        """Take one record."""
        if record["t"] == CHECKPOINT:
            self._checkpoint(record)
        elif record["t"] == FINDING:
            finding = Finding.from_dict(record["finding"])
            self._of(finding.step)["findings"].append(finding)

    def _checkpoint(self, record: Mapping[str, Any]) -> None:
        if self._stream is not None:
            from bootcheck.sinks.console import checkpoint_line

            print(checkpoint_line(record), file=self._stream)
        name = str(record["name"])
        if not name.startswith("check."):
            return
        if record["outcome"] == "entered":
            subject = str((record.get("detail") or {}).get("subject", ""))
            entry = {"step": name, "subject": subject, "findings": [], "seq": record["seq"], "took": None}
            self._order.append(entry)
            self._open.append(entry)
            return
        for entry in self._open:
            if entry["seq"] == record.get("of"):
                entry["took"] = record.get("duration_ms")
                self._open.remove(entry)
                return

    def _of(self, step: str | None) -> dict[str, Any]:
        """Return the check that a finding belongs to: the innermost open one, else the last of its name."""
        known: Iterator[dict[str, Any]] = chain(reversed(self._open), reversed(self._order))
        for entry in known:
            if entry["step"] == step:
                return entry
        entry = {"step": step or "check", "subject": "", "findings": [], "seq": 0, "took": None}
        self._order.append(entry)
        return entry

    def checked(self, load: AppLoad | None) -> list[Checked]:
        """Return what each check came to, in the order in which they began."""
        return [
            Checked(
                name=entry["step"].removeprefix("check."),
                subject=entry["subject"],
                findings=tuple(finding if load is None else load.retold(finding) for finding in entry["findings"]),
                duration_ms=entry["took"],
            )
            for entry in self._order
        ]
