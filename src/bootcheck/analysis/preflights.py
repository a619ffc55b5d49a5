"""What the preflight of a start had found, where nothing was to be stopped: it often is why the start then hung."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from bootcheck.analysis.classify import Diagnosis
from bootcheck.analysis.incidents import MAX_EVIDENCE, Incident
from bootcheck.analysis.quoting import quoted
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.boot import Boot
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence, Finding, Severity

MAX_SERVERS = 1_000
MAX_TOLD = 3
_UNSAID = frozenset(
    {
        Cause.SIGTERM.value,
        Cause.SIGKILL_EXTERNAL.value,
        Cause.SIGKILL_GRACEFUL_TIMEOUT.value,
        Cause.GUNICORN_TIMEOUT.value,
        Cause.BOOT_DEADLINE.value,
        Cause.VANISHED.value,
    }
)
"""Deaths whose cause says who ended the process, and not what it was waiting for."""


class Preflights:
    """The errors in the boot reports of masters, by server."""

    def __init__(self) -> None:
        self._found: dict[str, list[Finding]] = {}

    def report(self, document: Mapping[str, Any]) -> None:
        """Keep what a master's boot report calls an error; whatever stands in it, nothing is raised."""
        attributes, found = document.get("attributes"), document.get("findings")
        if document.get("role") != "master" or not isinstance(attributes, Mapping) or not isinstance(found, list):
            return
        errors = list(_errors(found))
        if errors and len(self._found) < MAX_SERVERS:
            self._found.setdefault(str(attributes.get("bootcheck.server.id")), errors)

    def told(self, incidents: Iterable[Incident]) -> list[Incident]:
        """Return the incidents, with what the preflight of those very starts had found."""
        return [self._with(incident) if self._found else incident for incident in incidents]

    def _with(self, incident: Incident) -> Incident:
        if incident.cause not in _UNSAID or True in incident.pattern.ready:
            return incident
        errors = [error for server in sorted(incident.pattern.servers) for error in self._found.get(server, ())]
        by_code = {error.code: error for error in reversed(errors)}
        chosen = list(by_code.values())[:MAX_TOLD]
        evidence = tuple(
            Evidence(source="preflight", text=quoted(f"{error.code} {error.slug}: {error.summary}")) for error in chosen
        )
        action = [quoted(text) for error in chosen for text in error.action]
        return replace(
            incident,
            evidence=(*evidence, *incident.evidence)[:MAX_EVIDENCE],
            action=tuple(dict.fromkeys((*action, *incident.action))),
        )


def _errors(found: list[Any]) -> Iterator[Finding]:
    for item in found:
        try:
            finding = Finding.from_dict(item)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        if finding.severity is Severity.ERROR:
            yield finding


def refused(boot: Boot, trouble: Trouble) -> Diagnosis | None:
    """Return what a check that failed had found, as its journal tells."""
    errors = [finding for finding in boot.findings if finding.severity is Severity.ERROR]
    if not errors:
        return None
    first = next((finding for finding in errors if finding.declared), errors[0])
    return Diagnosis(replace(first, evidence=(*first.evidence, *trouble.said)), first.rule.cause_class, specific=True)
