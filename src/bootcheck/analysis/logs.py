"""One log: its containers are told apart, what the platform says is shared among them."""

from __future__ import annotations

from collections.abc import Callable

from bootcheck.analysis.container import Container, Sink
from bootcheck.analysis.events import evidence
from bootcheck.analysis.readers.prefixes import Record
from bootcheck.analysis.trouble import Surroundings
from bootcheck.model.finding import Evidence

MAX_CONTAINERS = 256
MAX_NOTES = 50
MAX_OPEN = 500
"""Lines after which a traceback that is still open no longer makes every line matter."""


class Log:
    """One source of lines, read in one pass and in bounded memory."""

    def __init__(self, source: str, sink: Sink, telltale: Callable[[str], bool]) -> None:
        self.source = source
        self.notes: list[Evidence] = []
        """Lines that speak of a trouble on their own, mostly the platform's."""
        self.around = Surroundings()
        self._sink = sink
        self._telltale = telltale
        self._containers: dict[str, Container] = {}
        self._last: Container | None = None
        self._line = 0

    @property
    def attentive(self) -> bool:
        """True while the next line matters whatever it says: a traceback is open, and not long ago it began."""
        return any(self._line - container.open_since <= MAX_OPEN for container in self._containers.values())

    @property
    def served(self) -> bool:
        """True once the server that spoke last has answered a request."""
        return self._last is not None and self._last.served

    def feed(self, record: Record) -> None:
        """Take the next line."""
        self._line = record.line
        telltale = self._telltale(record.text)
        if telltale and len(self.notes) < MAX_NOTES:
            self.notes.append(evidence(record))
        container = self._containers.get(record.stream)
        if container is None:
            if len(self._containers) >= MAX_CONTAINERS:
                self._end(self._containers.pop(next(iter(self._containers))))
            container = self._containers[record.stream] = Container(self.source, self._sink, self.notes)
        self._last = container
        container.feed(record, telltale=telltale)

    def end(self) -> None:
        """Tell what is open at the log's end."""
        for container in self._containers.values():
            self._end(container)
        self._containers.clear()

    def _end(self, container: Container) -> None:
        container.end()
        if container.around.version is not None or self.around.version is None:
            self.around = container.around
