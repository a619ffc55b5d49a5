"""A checkpoint: a fact about one moment of one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bootcheck.model.outcome import Outcome, Phase
from bootcheck.model.stamps import rfc3339

__all__ = ["Checkpoint", "Outcome", "Phase"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One moment of one process. A later outcome of the same step is a new checkpoint."""

    seq: int
    """Counts up from 1 in each process."""
    name: str
    """Dotted constant, or the name a user gave to a step."""
    phase: Phase
    outcome: Outcome
    at: float
    """Epoch seconds."""
    of: int | None = None
    """The `seq` of the `entered` checkpoint that this one closes."""
    duration_ms: float | None = None
    """How long a step took; for a moment that passed or failed, the time since the checkpoint before it."""
    rss_bytes: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    """JSON values only, already masked and capped."""

    def as_record(self) -> dict[str, Any]:
        """Return the journal's form of this checkpoint."""
        record: dict[str, Any] = {
            "t": "checkpoint",
            "seq": self.seq,
            "name": self.name,
            "phase": self.phase.value,
            "outcome": self.outcome.value,
            "at": self.at,
        }
        if self.of is not None:
            record["of"] = self.of
        if self.duration_ms is not None:
            record["duration_ms"] = self.duration_ms
        if self.rss_bytes is not None:
            record["rss_bytes"] = self.rss_bytes
        if self.detail:
            record["detail"] = dict(self.detail)
        return record

    def as_report_entry(self) -> dict[str, Any]:
        """Return the form that stands in a report's `checkpoints`."""
        return {
            "seq": self.seq,
            "name": self.name,
            "phase": self.phase.value,
            "outcome": self.outcome.value,
            "at": rfc3339(self.at),
            "duration_ms": self.duration_ms,
            "rss_bytes": self.rss_bytes,
            "detail": dict(self.detail),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Checkpoint:
        """Read a journal record; raises KeyError, TypeError or ValueError if it is not one."""
        of = record.get("of")
        duration = record.get("duration_ms")
        rss = record.get("rss_bytes")
        detail = record.get("detail")
        return cls(
            seq=int(record["seq"]),
            name=str(record["name"]),
            phase=Phase(record["phase"]),
            outcome=Outcome(record["outcome"]),
            at=float(record["at"]),
            of=None if of is None else int(of),
            duration_ms=None if duration is None else float(duration),
            rss_bytes=None if rss is None else int(rss),
            detail=detail if isinstance(detail, dict) else {},
        )
