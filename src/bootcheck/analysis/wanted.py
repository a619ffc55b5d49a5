"""What a user asks to see: some times, hosts, codes and classes."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

from bootcheck.analysis.deaths import Death


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which deaths are asked for."""

    since: float | None = None
    until: float | None = None
    hosts: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    """Codes; a death of another one is left out, unless its class is asked for."""
    classes: tuple[str, ...] = ()
    """Cause classes, likewise."""

    def chosen(self, deaths: list[Death]) -> list[Death]:
        """Return those that are asked for."""
        return deaths if self == _ALL else [death for death in deaths if self.wants(death)]

    def wants(self, death: Death) -> bool:
        """Tell whether a death is asked for; one of unknown time always fits the times."""
        return self.covers(death.at, death.host) and self.names(death.told.code, death.cause_class)

    def covers(self, at: float | None, host: str | None) -> bool:
        """Tell whether a time and a host are asked for; an unknown time always fits, an unknown host never."""
        if at is not None and (
            (self.since is not None and at < self.since) or (self.until is not None and at > self.until)
        ):
            return False
        return not self.hosts or bool(host and any(fnmatch.fnmatch(host, pattern) for pattern in self.hosts))

    def names(self, code: str, cause_class: str) -> bool:
        """Tell whether a code or class is asked for; all are where none is named."""
        return not (self.codes or self.classes) or code in self.codes or cause_class in self.classes


_ALL = Filter()
