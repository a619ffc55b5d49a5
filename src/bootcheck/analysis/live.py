"""An analysis that goes on: one report or journal after the other, each death as it comes, then the incidents."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

from bootcheck.analysis import boots, incidents
from bootcheck.analysis.collector import Collector
from bootcheck.analysis.deaths import Death
from bootcheck.analysis.history import History
from bootcheck.analysis.incidents import Analysis
from bootcheck.analysis.readers import Documents, read
from bootcheck.model.boot import Boot


class _File(Documents):
    """Strictly private: an intake that keeps the one report or journal of a file."""

    # ruff: noqa: ARG002 - an intake is told more than this one keeps

    def __init__(self) -> None:
        super().__init__()
        self.document: Mapping[str, Any] | None = None
        self.boot: Boot | None = None
        self.torn = False

    def report(self, document: Mapping[str, Any], source: str, line: int | None, *, alone: bool) -> None:
        self.document = document

    def journal(self, boot: Boot, source: str, path: str | None, *, torn: bool) -> None:
        self.boot, self.torn = boot, torn


class Live:
    """Takes what lies in report directories, file by file; bounded by the number of deaths."""

    def __init__(self, complain: Callable[[str], None]) -> None:
        self._history = History(brief=True)
        self._collector = Collector(complain, self._history)

    def report(self, path: str) -> tuple[Mapping[str, Any], Death | None] | None:
        """Take a report file: what it holds, and the death that it tells of; None where it is no report (yet)."""
        file = _File()
        read([path], file, io.BytesIO())
        if file.document is None:
            return None
        collector = self._collector
        collector.begin(path)
        collector.report(file.document, path, None, alone=True)
        collector.end(path, 0, read=True)
        return file.document, collector.death(str(file.document.get("report_id")))

    def journal(self, path: str) -> Death | None:
        """Take a journal whose process is gone without an end; None where it lives, or ended by itself."""
        file = _File()
        read([path], file, io.BytesIO())
        if file.boot is None or file.boot.end is not None or boots.alive(file.boot.head, path):
            return None
        self._collector.journal(file.boot, path, path, torn=file.torn)
        return self._collector.of_journal(path)

    def analysis(self) -> Analysis:
        """Return the incidents of everything that was taken; asked for once, at the end."""
        deaths, _ = self._collector.result()
        found = self._collector.preflights.told(incidents.of_deaths(deaths))
        return Analysis(incidents=tuple(found), inputs=self._collector.inputs, history=self._history)
