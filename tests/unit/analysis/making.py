"""Reports, journals and logs for the tests of the offline half."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bootcheck.analysis import Analysis, analyze
from bootcheck.model.cause import CODE_OF_CAUSE, Cause
from bootcheck.model.report import Report, Verdict, schema

AT = 1_795_771_557.5
"""2026-11-27 09:25:57.5 UTC."""
LOGS = Path(__file__).resolve().parents[2] / "data" / "gunicorn_logs"


def report(
    cause: Cause = Cause.EXCEPTION,
    *,
    kind: str = "crash",
    role: str = "worker",
    pid: int = 31,
    at: float = AT,
    step: str | None = "app.load",
    summary: str | None = None,
    action: Sequence[str] = ("Look at the traceback.",),
    code: str | None = None,
    findings: Sequence[Any] = (),
    **attributes: Any,
) -> Report:
    """Return a report that fulfils the schema; attributes are given with _ for the dots."""
    names = {
        "host": "host.name",
        "type": "exception.type",
        "message": "exception.message",
        "trace": "exception.stacktrace",
        "signal": "bootcheck.exit.signal.name",
        "origin": "bootcheck.signal.origin",
        "ready": "bootcheck.ready",
        "server": "bootcheck.server.id",
        "uptime": "bootcheck.worker.uptime_s",
        "exit_code": "process.exit.code",
    }
    return Report(
        kind=kind,
        role=role,
        pid=pid,
        at=at,
        step=step,
        verdict=Verdict(
            cause=cause,
            code=code or CODE_OF_CAUSE.get(cause),
            summary=summary or f"The {role} (pid {pid}) died of {cause.value}.",
            action=tuple(action),
        ),
        findings=tuple(findings),
        attributes={
            "process.pid": pid,
            "host.name": "web-1",
            **{names[name]: value for name, value in attributes.items()},
        },
    )


def stored(directory: Path, *reports: Report) -> list[Path]:
    """Write reports as a server would, each checked against the schema; return their paths."""
    import jsonschema

    paths = []
    for item in reports:
        jsonschema.validate(json.loads(item.encoded()), schema())
        path = directory / item.file_name
        path.write_bytes(item.encoded())
        paths.append(path)
    return paths


def head(role: str = "worker", pid: int = 31, **more: Any) -> dict[str, Any]:
    """Return a journal's first record."""
    return {
        "t": "head",
        "at": AT,
        "v": 1,
        "role": role,
        "pid": pid,
        "ppid": 30,
        "start": 77,
        "boot_id": "another-machine",
        "host": "web-1",
        "server_id": "s1",
        **more,
    }


def entered(name: str, seq: int = 1, at: float = AT + 1) -> dict[str, Any]:
    """Return the record of a step that was entered."""
    return {"t": "checkpoint", "seq": seq, "name": name, "phase": "app", "outcome": "entered", "at": at}


def journal(directory: Path, *records: dict[str, Any], name: str | None = None) -> Path:
    """Write a journal; its name is that of the head."""
    first = records[0]
    path = directory / (name or f"{first['role']}-{first['pid']}-{first['start']}.jsonl")
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def told(text: str, **options: Any) -> Analysis:
    """Analyze a log given as text."""
    return analyze(["-"], stdin=io.BytesIO(text.encode()), **options)


def classes(analysis: Analysis) -> list[tuple[str, int]]:
    """Return class and count of each incident."""
    return [(incident.cause_class, incident.count) for incident in analysis.incidents]
