"""A finding: the conclusion of a check or a signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from bootcheck.model.codes import CODES, Rule


class Severity(str, Enum):
    """How much a finding matters: only an `error` of a declared check stops a server."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    __str__ = str.__str__


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One fact and where it was seen."""

    text: str
    source: str = ""
    """A file, a variable, a server, or the name of the journal."""
    line: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the report's form."""
        return {"source": self.source, "line": self.line, "text": self.text}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evidence:
        """Read the report's form; missing keys become empty."""
        line = data.get("line")
        return cls(
            text=str(data.get("text", "")),
            source=str(data.get("source") or ""),
            line=line if isinstance(line, int) else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong, what shows it, and what to do."""

    code: str
    """`BCnnn`, listed in `bootcheck.model.codes`."""
    summary: str
    """One sentence that names the subject; never holds a secret's value."""
    action: tuple[str, ...] = ()
    """What to do, most useful first."""
    evidence: tuple[Evidence, ...] = ()
    against: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR
    confirm: str | None = None
    """A command that shows the fault, and later that it is gone."""
    confidence: str = "high"
    declared: bool = False
    """True when the user asked for the check, so that an error stops the server."""
    step: str | None = None
    """The step in which it was found."""

    @property
    def rule(self) -> Rule:
        """The code's entry in the catalogue."""
        return CODES[self.code]

    @property
    def slug(self) -> str:
        """The name of the bad thing."""
        return self.rule.slug

    def with_declared(self, declared: bool) -> Finding:  # noqa: FBT001
        """Return the same finding, marked as asked for or as discovered."""
        return replace(self, declared=declared)

    def as_dict(self) -> dict[str, Any]:
        """Return the form that stands in reports, journals and exports."""
        return {
            "code": self.code,
            "slug": self.slug,
            "severity": self.severity.value,
            "summary": self.summary,
            "action": list(self.action),
            "evidence": [item.as_dict() for item in self.evidence],
            "against": list(self.against),
            "missing": list(self.missing),
            "confirm": self.confirm,
            "confidence": self.confidence,
            "declared": self.declared,
            "step": self.step,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Finding:
        """Read what `as_dict` wrote; raises KeyError or ValueError on anything else."""
        code = str(data["code"])
        if code not in CODES:
            msg = f"unknown code {code!r}"
            raise ValueError(msg)
        confirm = data.get("confirm")
        step = data.get("step")
        return cls(
            code=code,
            summary=str(data["summary"]),
            action=_texts(data.get("action")),
            evidence=tuple(Evidence.from_dict(item) for item in data.get("evidence") or ()),
            against=_texts(data.get("against")),
            missing=_texts(data.get("missing")),
            severity=Severity(data.get("severity", "error")),
            confirm=None if confirm is None else str(confirm),
            confidence=str(data.get("confidence", "high")),
            declared=bool(data.get("declared")),
            step=None if step is None else str(step),
        )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, (list, tuple)) else ()
