"""Reports, journals and logs for the tests of the offline half."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from bootcheck.analysis import Analysis, analyze
from bootcheck.model.cause import CODE_OF_CAUSE, Cause
from bootcheck.model.checkpoint import Checkpoint, Outcome, Phase
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


@cache
def _validator() -> Any:
    """Return the schema, read and checked once."""
    import jsonschema

    return jsonschema.Draft202012Validator(schema())


def stored(directory: Path, *reports: Report) -> list[Path]:
    """Write reports as a server would, each checked against the schema; return their paths."""
    paths = []
    for item in reports:
        _validator().validate(json.loads(item.encoded()))
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


def days_work(directory: Path) -> None:
    """Write what a day left: four good boots of one release, then four workers of the next, dead after 56 s, twice."""
    for number in range(4):
        begun = AT - 4000 + number
        good = report(Cause.NONE, kind="boot", pid=20 + number, at=begun + 7, step=None, summary="The worker is ready.")
        stored(directory, _booted(good, begun, 1.5, release="1.41", duration=7.0))
    for number in range(8):
        begun = AT + (number // 4) * 60 + number % 4 * 0.02
        dead = report(
            Cause.SIGTERM,
            pid=100 + number,
            at=begun + 56,
            step="db.init",
            summary=f"The worker (pid {100 + number}) got SIGTERM in step db.init <script>alert(1)</script>.",
            signal="SIGTERM",
            origin="outside",
            uptime=56.0,
            ready=False,
            host=f"web-{1 + number % 2}",
        )
        stored(directory, _booted(dead, begun, None, release="1.42"))


def _booted(item: Report, begun: float, took: float | None, *, release: str, duration: float | None = None) -> Report:
    """Return the report with a boot of app.load and db.init; the latter is not left where it took None."""

    def checkpoint(seq: int, name: str, at: float, ms: float | None = None) -> Checkpoint:
        return Checkpoint(
            seq=seq,
            name=name,
            phase=Phase.APP,
            outcome=Outcome.ENTERED if ms is None else Outcome.PASSED,
            at=begun + at,
            duration_ms=ms,
            of=None if ms is None else seq - 1,
            rss_bytes=(40 + 20 * seq) << 20,
        )

    steps = [checkpoint(1, "app.load", 0), checkpoint(2, "app.load", 5, 5000.0), checkpoint(3, "db.init", 5)]
    if took is not None:
        steps.append(checkpoint(4, "db.init", 5 + took, took * 1000))
    ready = {} if duration is None else {"bootcheck.boot.duration_s": duration, "bootcheck.ready": True}
    facts = {"bootcheck.gunicorn.version": "23.0.0", "bootcheck.gunicorn.timeout": 120, **ready}
    return replace(
        item, checkpoints=tuple(steps), attributes={**item.attributes, **facts}, annotations={"release": release}
    )
