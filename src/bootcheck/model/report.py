"""The report: the JSON file about one death, or one finished boot.

`schema()` returns the JSON Schema that every report fulfils; it ships in the package.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootcheck.model.cause import Cause
from bootcheck.model.checkpoint import Checkpoint
from bootcheck.model.finding import Evidence, Finding
from bootcheck.model.stamps import compact, new_id, rfc3339

SCHEMA_VERSION = 1
LINE_PREFIX = "BOOTCHECK_REPORT "
MAX_ANNOUNCEMENT = 2_000
"""Bytes of the JSON object that every death prints on stderr."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Why the process died, how sure that is, and what to do."""

    cause: Cause
    summary: str
    code: str | None = None
    action: tuple[str, ...] = ()
    confirm: str | None = None
    confidence: str = "high"
    evidence: tuple[Evidence, ...] = ()
    against: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the report's form."""
        return {
            "code": self.code,
            "cause": self.cause.value,
            "summary": self.summary,
            "action": list(self.action),
            "confirm": self.confirm,
            "confidence": self.confidence,
            "evidence": [item.as_dict() for item in self.evidence],
            "against": list(self.against),
            "missing": list(self.missing),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One death, one finished boot, or one look at a living process."""

    kind: str
    """crash, boot or snapshot."""
    role: str
    pid: int
    at: float
    """Epoch seconds of the death, or of the moment of being ready."""
    verdict: Verdict
    step: str | None = None
    incomplete: bool = False
    findings: tuple[Finding, ...] = ()
    guards: tuple[Mapping[str, Any], ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    stacks: tuple[Mapping[str, Any], ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)
    hidden_count: int = 0
    report_id: str = field(default_factory=new_id)

    @property
    def fingerprint(self) -> str:
        """The same for the same fault on every host and release: no line number, pid or time."""
        stack = self.stacks[0].get("frames", ()) if self.stacks else ()
        where = [f"{_base(frame)}:{frame.get('function')}" for frame in stack[:3] if isinstance(frame, Mapping)]
        by_code = sorted(finding.code for finding in self.findings if finding.severity.value == "error")
        parts = [
            self.verdict.cause.value,
            self.verdict.code or "",
            self.step or "",
            str(self.attributes.get("exception.type", "")),
        ]
        if self.verdict.cause in (Cause.EXCEPTION, Cause.NATIVE_CRASH, Cause.SYS_EXIT):
            parts += where
        return hashlib.sha256("\0".join([*parts, *by_code]).encode("utf-8", "replace")).hexdigest()[:16]

    @property
    def file_name(self) -> str:
        """The report's name in the report directory."""
        return f"{self.kind}-{compact(self.at)}-{self.fingerprint}-{self.role}-{self.pid}.json"

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form, most important keys first."""
        return {
            "schema_version": SCHEMA_VERSION,
            "report_id": self.report_id,
            "kind": self.kind,
            "timestamp": rfc3339(self.at),
            "role": self.role,
            "incomplete": self.incomplete,
            "step": self.step,
            "verdict": self.verdict.as_dict(),
            "findings": [finding.as_dict() for finding in self.findings],
            "fingerprint": self.fingerprint,
            "attributes": dict(self.attributes),
            "stacks": [dict(stack) for stack in self.stacks],
            "guards": [dict(guard) for guard in self.guards],
            "checkpoints": [checkpoint.as_report_entry() for checkpoint in self.checkpoints],
            "annotations": dict(self.annotations),
            "redaction": {"hidden_count": self.hidden_count},
        }

    def encoded(self) -> bytes:
        """Return the file's content."""
        return json.dumps(self.as_dict(), indent=1, default=str).encode("ascii") + b"\n"

    def announcement(self, path: str | None = None) -> str:
        """Return the line for stderr: `BOOTCHECK_REPORT` and a complete object of at most 2,000 bytes."""
        full = self.as_dict()
        attributes = {key: value for key, value in full["attributes"].items() if key in _ANNOUNCED}
        verdict = full["verdict"]
        small: dict[str, Any] = {
            key: full[key]
            for key in ("schema_version", "report_id", "kind", "timestamp", "role", "step", "fingerprint")
        }
        small["verdict"] = {key: verdict[key] for key in ("code", "cause", "summary", "action", "confidence")}
        small["attributes"] = attributes
        small["findings"] = [
            {key: finding[key] for key in ("code", "severity", "summary")} for finding in full["findings"]
        ]
        if path is not None:
            small["path"] = path
        return LINE_PREFIX + _fit(small)


_ANNOUNCED = (
    "process.pid",
    "host.name",
    "bootcheck.server.id",
    "exception.type",
    "exception.message",
    "bootcheck.exit.signal.name",
    "process.exit.code",
    "bootcheck.ready",
    "bootcheck.worker.uptime_s",
)


def _fit(small: dict[str, Any]) -> str:
    """Shorten the longest texts until the object fits."""
    for limit in (600, 300, 160, 80, 40):
        text = json.dumps(_clip(small, limit), separators=(",", ":"), default=str)
        if len(text) <= MAX_ANNOUNCEMENT:
            return text
        small["findings"] = small["findings"][: max(1, limit // 80)]
    small["findings"] = []
    small["verdict"]["action"] = small["verdict"]["action"][:1]
    small.pop("path", None)
    return json.dumps(_clip(small, 40), separators=(",", ":"), default=str)


def _clip(value: Any, limit: int) -> Any:
    """Shorten every text to `limit` bytes as JSON writes it: what is not ASCII takes up to twelve a character."""
    if isinstance(value, str):
        if len(value) * 12 <= limit or len(json.dumps(value)) - 2 <= limit:
            return value
        kept = value[:limit]
        while len(json.dumps(kept)) - 2 > limit - 6:
            kept = kept[: -max(1, len(kept) // 8)]
        return kept + "…"
    if isinstance(value, Mapping):
        return {key: _clip(item, limit) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_clip(item, limit) for item in value[:5]]
    return value


def _base(frame: Mapping[str, Any]) -> str:
    return os.path.basename(str(frame.get("file", "")))


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a report."""
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("report.schema.json").read_text(encoding="utf-8"))
    return loaded
