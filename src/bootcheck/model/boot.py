"""A boot: one process's records put back together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bootcheck.model import journal
from bootcheck.model.checkpoint import Checkpoint, Outcome
from bootcheck.model.finding import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What one process wrote of itself, as far as it could be read."""

    head: Mapping[str, Any]
    checkpoints: tuple[Checkpoint, ...] = ()
    findings: tuple[Finding, ...] = ()
    exception: Mapping[str, Any] | None = None
    """The last exception record: kind, type, message, traceback, step."""
    signal: Mapping[str, Any] | None = None
    """The first ending signal that the process noticed before it was ready."""
    stop: Mapping[str, Any] | None = None
    """The order to stop that a master got once it was up, and who sent it."""
    stacks: tuple[Mapping[str, Any], ...] = ()
    guards: tuple[Mapping[str, Any], ...] = ()
    annotations: Mapping[str, Any] | None = None
    imports: tuple[Mapping[str, Any], ...] = ()
    ready_at: float | None = None
    end: Mapping[str, Any] | None = None
    """The record of a process that ended by itself."""
    closed_in: str | None = None
    """The step in which somebody closed the journal's descriptor, empty outside of any step; None where nobody did."""
    last_at: float | None = None
    broken_lines: int = 0

    @property
    def role(self) -> str:
        """master, worker, dirty-arbiter or dirty-worker."""
        return str(self.head.get("role", "worker"))

    @property
    def pid(self) -> int:
        """The process's pid as its own namespace numbers it, 0 where unknown."""
        pid = self.head.get("pid")
        return pid if isinstance(pid, int) else 0

    @property
    def step(self) -> str | None:
        """The innermost step that had not passed, unfinished or failed; None where every one passed."""
        for record in (self.exception, self.signal):
            if record is not None and isinstance(record.get("step"), str):
                return str(record["step"])
        return self.open_step or self._failed_step

    @property
    def open_step(self) -> str | None:
        """The innermost step that was entered and has no outcome yet."""
        span = self.open_span
        return None if span is None else span.name

    @property
    def open_span(self) -> Checkpoint | None:
        """The checkpoint that opened the innermost unfinished step."""
        open_spans = self.open_spans
        return open_spans[-1] if open_spans else None

    @property
    def open_spans(self) -> tuple[Checkpoint, ...]:
        """The unfinished steps, outermost first."""
        closed = {checkpoint.of for checkpoint in self.checkpoints if checkpoint.of is not None}
        return tuple(
            checkpoint
            for checkpoint in self.checkpoints
            if checkpoint.outcome is Outcome.ENTERED and checkpoint.seq not in closed
        )

    @property
    def _failed_step(self) -> str | None:
        failed = [checkpoint for checkpoint in self.checkpoints if checkpoint.outcome is Outcome.FAILED]
        if not failed or self.ready_at is not None:
            return None
        return failed[-1].name

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]], broken_lines: int = 0) -> Boot:
        """Fold records in file order; a record that does not fit is counted, never raised."""
        fold = _Fold(broken_lines)
        for record in records:
            try:
                fold.add(record)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                fold.broken += 1
        return fold.result()


class _Fold:
    """Strictly private: the mutable half of `Boot.from_records`."""

    def __init__(self, broken: int) -> None:
        self.broken = broken
        self.values: dict[str, Any] = {"head": {}}
        self.lists: dict[str, list[Any]] = {
            "checkpoints": [],
            "findings": [],
            "stacks": [],
            "guards": [],
            "imports": [],
        }
        self.annotations: dict[str, Any] = {}

    def add(self, record: Mapping[str, Any]) -> None:  # noqa: C901, PLR0912
        kind = record.get("t")
        at = record.get("at")
        if isinstance(at, (int, float)):
            self.values["last_at"] = float(at)
        if kind == journal.HEAD:
            self.values["head"] = dict(record)
        elif kind == journal.CHECKPOINT:
            self.lists["checkpoints"].append(Checkpoint.from_record(record))
        elif kind == journal.FINDING:
            self.lists["findings"].append(Finding.from_dict(record["finding"]))
        elif kind == journal.EXCEPTION:
            self.values["exception"] = dict(record)
        elif kind == journal.SIGNAL:
            self.values.setdefault("signal", dict(record))
        elif kind == journal.STOP:
            self.values.setdefault("stop", dict(record))
        elif kind == journal.STACKS:
            self.lists["stacks"] = [dict(stack) for stack in record["stacks"]]
        elif kind == journal.GUARD:
            self.lists["guards"].append({key: value for key, value in record.items() if key != "t"})
        elif kind == journal.ANNOTATION:
            self.annotations[str(record["name"])] = record["value"]
        elif kind == journal.IMPORTS:
            self.lists["imports"] = [dict(item) for item in record["imports"]]
        elif kind == journal.READY:
            self.values["ready_at"] = float(record["at"])
        elif kind == journal.END:
            self.values["end"] = dict(record)
        elif kind == journal.NOTE and record.get("closed"):
            opened = Boot(head={}, checkpoints=tuple(self.lists["checkpoints"])).open_step
            self.values.setdefault("closed_in", opened or "")

    def result(self) -> Boot:
        lists: dict[str, Any] = {name: tuple(items) for name, items in self.lists.items()}
        return Boot(**self.values, **lists, annotations=self.annotations, broken_lines=self.broken)
