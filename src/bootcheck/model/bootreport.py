"""The report of a process that has become ready, made straight from its records.

The same layout as `bootcheck.model.report`; written apart because every healthy boot makes one
and must not pay for what only a death needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bootcheck.model import journal
from bootcheck.model.stamps import compact, new_id, rfc3339

FINGERPRINT = "b007b007b007b007"
"""All finished boots share it: they have no fault to tell apart."""


def boot_report(
    records: Sequence[Mapping[str, Any]], common: Mapping[str, Any], *, at: float, hidden: int = 0
) -> dict[str, Any]:
    """Return the report of a boot from its records, the journal's head first."""
    head: Mapping[str, Any] = next((record for record in records if record["t"] == journal.HEAD), {})
    role = str(head.get("role", "worker"))
    findings = [record["finding"] for record in records if record["t"] == journal.FINDING]
    started = head.get("at")
    return {
        "schema_version": 1,
        "report_id": new_id(),
        "kind": "boot",
        "timestamp": rfc3339(at),
        "role": role,
        "incomplete": False,
        "step": None,
        "verdict": _verdict(role, len(findings)),
        "findings": findings,
        "fingerprint": FINGERPRINT,
        "attributes": {
            **common,
            "process.pid": head.get("pid", 0),
            "process.parent_pid": head.get("ppid", 0),
            "bootcheck.ready": True,
            "bootcheck.boot.duration_s": round(at - started, 3) if isinstance(started, (int, float)) else None,
            **_imports(records),
        },
        "stacks": [],
        "guards": [
            {key: value for key, value in record.items() if key != "t"}
            for record in records
            if record["t"] == journal.GUARD
        ],
        "checkpoints": [entry(record) for record in records if record["t"] == journal.CHECKPOINT],
        "annotations": {record["name"]: record["value"] for record in records if record["t"] == journal.ANNOTATION},
        "redaction": {"hidden_count": hidden},
    }


def file_name(report: Mapping[str, Any], at: float) -> str:
    """Return the report's name in the report directory."""
    what, pid = f"{report['kind']}-{compact(at)}-{report['fingerprint']}", report["attributes"]["process.pid"]
    return f"{what}-{report['role']}-{pid}.json"


def partial_name(pid: int) -> str:
    """Return the name under which a worker that drops its privileges prepares its boot report."""
    return f".boot-{pid}.tmp"


def encoded(report: Mapping[str, Any]) -> bytes:
    """Return the file's content."""
    # A line per key, and per entry of a list: as readable as an indent, which would need the encoder in Python.
    parts = [f"{json.dumps(key)}: {_lines(value)}" for key, value in report.items()]
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode("ascii")


def _lines(value: object) -> str:
    if not isinstance(value, list) or not value:
        return json.dumps(value, default=str)
    return "[\n " + ",\n ".join(json.dumps(entry, default=str) for entry in value) + "\n]"


def _verdict(role: str, findings: int) -> dict[str, Any]:
    who = "The master has passed its preflight" if role == "master" else f"The {role.replace('-', ' ')} is ready"
    return {
        "code": None,
        "cause": "none",
        "summary": f"{who}." if not findings else f"{who}, with {findings} finding{'s' if findings > 1 else ''}.",
        "action": [],
        "confirm": None,
        "confidence": "high",
        "evidence": [],
        "against": [],
        "missing": [],
    }


def _imports(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the attribute of the slowest imports, where any was slow."""
    told = [record["imports"] for record in records if record["t"] == journal.IMPORTS]
    return {"bootcheck.imports": told[-1]} if told else {}


def entry(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checkpoint's record as it stands in a report."""
    return {
        "seq": record["seq"],
        "name": record["name"],
        "phase": record["phase"],
        "outcome": record["outcome"],
        "at": rfc3339(record["at"]),
        "duration_ms": record.get("duration_ms"),
        "rss_bytes": record.get("rss_bytes"),
        "detail": record.get("detail") or {},
    }
