"""What differs between two boots or two sets of them: steps, imports, memory, findings, versions, settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bootcheck.analysis.incidents import Analysis
from bootcheck.analysis.quoting import quoted
from bootcheck.analysis.spans import Span

MORE = 0.25
"""A step that takes this share longer is slower …"""
MORE_MS = 50.0
"""… where that is also this many milliseconds."""
MORE_BYTES = 10 << 20
TAG = "tag "
"""What an annotation's name begins with among the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing in both: before and after."""

    name: str
    before: float | None
    after: float | None

    @property
    def delta(self) -> float:
        """How much more it is now."""
        return (self.after or 0.0) - (self.before or 0.0)

    def as_dict(self) -> dict[str, Any]:
        """Return the public form."""
        return {"name": self.name, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """B against A."""

    boots: tuple[int, int] = (0, 0)
    """How many boots with checkpoints each side has."""
    steps: tuple[Difference, ...] = ()
    """Milliseconds, the greatest change first; only what changed."""
    imports: tuple[Difference, ...] = ()
    memory: tuple[Difference, ...] = ()
    """Bytes, by role."""
    settings: tuple[tuple[str, str | None, str | None], ...] = ()
    findings_new: tuple[str, ...] = ()
    findings_gone: tuple[str, ...] = ()
    incidents_new: tuple[tuple[str, str], ...] = ()
    """Id and summary."""
    incidents_gone: tuple[tuple[str, str], ...] = ()
    incidents_still: tuple[tuple[str, str], ...] = ()

    @property
    def worse(self) -> bool:
        """True where B is slower, larger, or has something wrong that A has not."""
        grown = any(item.delta > 0 for item in (*self.steps, *self.imports, *self.memory))
        return grown or bool(self.findings_new) or bool(self.incidents_new)

    def as_dict(self) -> dict[str, Any]:
        """Return the public form."""

        def told(items: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
            return [{"id": identity, "summary": summary} for identity, summary in items]

        return {
            "schema_version": 1,
            "boots": list(self.boots),
            "worse": self.worse,
            "steps_ms": [item.as_dict() for item in self.steps],
            "imports_ms": [item.as_dict() for item in self.imports],
            "memory_bytes": [item.as_dict() for item in self.memory],
            "settings": [{"name": name, "before": old, "after": new} for name, old, new in self.settings],
            "findings": {"new": list(self.findings_new), "gone": list(self.findings_gone)},
            "incidents": {
                "new": told(self.incidents_new),
                "gone": told(self.incidents_gone),
                "still": told(self.incidents_still),
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two that are compared."""

    spans: Sequence[Span]
    analysis: Analysis = field(default_factory=Analysis)


def compare(before: Side, after: Side) -> Comparison:
    """Return what is different in B; times and memory are medians over the boots of each side."""
    old, new = _findings(before.spans), _findings(after.spans)
    was = {incident.id: incident.summary for incident in before.analysis.incidents}
    now = {incident.id: incident.summary for incident in after.analysis.incidents}
    return Comparison(
        boots=(_boots(before.spans), _boots(after.spans)),
        steps=_slower(steps_of(before.spans), steps_of(after.spans)),
        imports=_slower(_imports(before.spans), _imports(after.spans)),
        memory=tuple(
            item
            for item in _differences(memory_of(before.spans), memory_of(after.spans))
            if item.before is not None and item.after is not None and abs(item.delta) >= MORE_BYTES
        ),
        settings=tuple(changed_settings(settings_of(before.spans), settings_of(after.spans))),
        findings_new=tuple(told for key, told in new.items() if key not in old),
        findings_gone=tuple(told for key, told in old.items() if key not in new),
        incidents_new=tuple((key, told) for key, told in now.items() if key not in was),
        incidents_gone=tuple((key, told) for key, told in was.items() if key not in now),
        incidents_still=tuple((key, told) for key, told in now.items() if key in was),
    )


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[str, str | None, str | None]]:
    """Return every name whose value is another one, or that only one side has."""
    names = dict.fromkeys((*before, *after))
    return [(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]


def changed_settings(before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[str, str | None, str | None]]:
    """Return what changed of what both tell: a crash report knows more than a boot report; tags come and go."""

    def told(mine: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in mine.items() if name in others or name.startswith(TAG)}

    return changed(told(before, after), told(after, before))


def steps_of(spans: Iterable[Span]) -> dict[str, float]:
    """Return the median duration of each step in milliseconds, of what passed or failed."""
    found: dict[str, list[float]] = {}
    for span in spans:
        for step in span.steps:
            if step.duration_ms is not None:
                found.setdefault(step.name, []).append(step.duration_ms)
    return {name: median(took) for name, took in found.items()}


def memory_of(spans: Iterable[Span]) -> dict[str, float]:
    """Return the median memory of each role at the last checkpoint of its boot, in bytes."""
    found: dict[str, list[int]] = {}
    for span in spans:
        if span.memory:
            found.setdefault(f"{span.role} at the end of its boot", []).append(span.memory[-1][1])
    return {name: float(median(sizes)) for name, sizes in found.items()}


def settings_of(spans: Iterable[Span]) -> dict[str, str]:
    """Return the settings and versions of a side; one that differs within it has all its values."""
    found: dict[str, dict[str, None]] = {}
    for span in spans:
        for name, value in span.settings.items():
            found.setdefault(name, {})[value] = None
    return {name: " | ".join(sorted(values)) for name, values in found.items()}


def _imports(spans: Iterable[Span]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for span in spans:
        for name, took in span.imports.items():
            found.setdefault(name, []).append(took)
    return {name: median(took) for name, took in found.items()}


def _findings(spans: Iterable[Span]) -> dict[tuple[str, str], str]:
    found = {}
    for span in spans:
        for item in span.findings:
            found[(item.code, item.summary)] = quoted(f"{item.code} {item.severity.value}: {item.summary}")
    return found


def _boots(spans: Iterable[Span]) -> int:
    return sum(bool(span.steps) for span in spans)


def _differences(before: Mapping[str, float], after: Mapping[str, float]) -> list[Difference]:
    return [
        Difference(name=name, before=before.get(name), after=after.get(name))
        for name in dict.fromkeys((*before, *after))
    ]


def _slower(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[Difference, ...]:
    """Return what changed by more than noise, the greatest loss first."""
    if not before or not after:
        return ()
    found = [item for item in _differences(before, after) if _matters(item)]
    return tuple(sorted(found, key=lambda item: -item.delta))


def _matters(item: Difference) -> bool:
    return abs(item.delta) >= MORE_MS and abs(item.delta) >= MORE * min(item.before or 0.0, item.after or 0.0)
