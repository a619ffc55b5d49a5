"""The lines of a run as platforms hand them out that do not run here: their documented formats.

systemd with journald, rsyslog, docker and compose, kubectl, Heroku, Render, CloudWatch, Elastic
Beanstalk and Google Cloud each add a head to every line. The times are those at which the lines came.
What a platform says of an ended process is its own sentence with the real exit status; of a process
that still ran when the log was taken it says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from signal import Signals


@dataclass
class Run:
    """What a server wrote, and how it ended."""

    pid: int
    name: str = "gunicorn"
    """Of the program, as journald and syslog know it."""
    lines: list[tuple[float, str]] = field(default_factory=list)
    """Epoch seconds and text."""
    status: int | None = None
    """Exit status, negative for a signal; None where it was still running."""
    ordered: float | None = None
    """When the platform was told to stop it, if it was."""


def carried(run: Run, platform: str) -> str:
    """Return the log as this platform shows it; as it was written where none is named."""
    if not platform:
        return "".join(line + "\n" for _, line in run.lines)
    return "".join(line + "\n" for line in _PLATFORMS[platform](run))


def _at(when: float) -> datetime:
    return datetime.fromtimestamp(when, timezone.utc)


def _iso(when: float, digits: int = 6) -> str:
    return f"{_at(when):%Y-%m-%dT%H:%M:%S}.{round(when % 1 * 10**9) % 10**9:09d}"[: 20 + digits]


def _each(head: Callable[[float], str]) -> Callable[[Run], list[str]]:
    return lambda run: [head(when) + line for when, line in run.lines]


def _journald(head: Callable[[float, str, int], str]) -> Callable[[Run], list[str]]:
    """Return the lines with systemd's own around them; journald names the process that opened the stream."""

    def lines(run: Run) -> list[str]:
        told = [(when, head(when, run.name, run.pid) + line) for when, line in run.lines]
        first = run.lines[0][0] if run.lines else 0.0
        systemd = [(first - 0.2, "Started web.service - Web application.")]
        last = run.lines[-1][0] if run.lines else 0.0
        if run.ordered is not None:
            systemd.append((run.ordered, "Stopping web.service - Web application..."))
        if run.status is not None and run.status != 0:
            systemd.append((last, f"web.service: Main process exited, {_ended(run.status)}"))
            why = "exit-code" if run.status > 0 else "signal"
            systemd.append((last, f"web.service: Failed with result '{why}'."))
        elif run.status == 0:
            systemd.append((last, "web.service: Deactivated successfully."))
        if run.ordered is not None and run.status is not None:
            systemd.append((last, "Stopped web.service - Web application."))
        told += [(when, head(when, "systemd", 1) + line) for when, line in systemd]
        return [line for _, line in sorted(told, key=lambda item: item[0])]

    return lines


_STATUS = {1: "FAILURE", 2: "INVALIDARGUMENT", 3: "NOTIMPLEMENTED", 4: "NOPERMISSION", 127: "n/a", 126: "n/a"}


def _ended(status: int) -> str:
    if status < 0:
        return f"code=killed, status={-status}/{Signals(-status).name.removeprefix('SIG')}"
    return f"code=exited, status={status}/{_STATUS.get(status, 'n/a')}"


def _code(status: int) -> int:
    return 128 - status if status < 0 else status


def _compose(run: Run) -> list[str]:
    told = [f"web-1  | {line}" for _, line in run.lines]
    return told + ([f"web-1 exited with code {_code(run.status)}"] if run.status is not None else [])


def _heroku(run: Run) -> list[str]:
    told = [(when, f"app[web.1]: {line}") for when, line in run.lines]
    if run.ordered is not None:
        told += [(run.ordered, "heroku[web.1]: Stopping all processes with SIGTERM")]
    if run.status is not None:
        last = run.lines[-1][0] + 0.2 if run.lines else 0.0
        told += [(last, f"heroku[web.1]: Process exited with status {_code(run.status)}")]
        if run.ordered is None:
            told += [(last + 0.01, "heroku[web.1]: State changed from starting to crashed")]
    told.sort(key=lambda item: item[0])
    return [f"{_iso(when)}+00:00 {line}" for when, line in told]


def _docker_json(run: Run) -> list[str]:
    return [
        json.dumps({"log": line + "\n", "stream": "stderr", "time": _iso(when, 9) + "Z"}) for when, line in run.lines
    ]


def _gcp(run: Run) -> list[str]:
    resource = {"type": "cloud_run_revision", "labels": {"service_name": "web"}}
    return [
        json.dumps({"textPayload": line, "timestamp": _iso(when) + "Z", "resource": resource})
        for when, line in run.lines
    ]


def _cloudwatch(run: Run) -> list[str]:
    """Return the rows of an export to S3: the time it was taken in, and the message."""
    return [f"{_iso(when, 3)}Z {line}" for when, line in run.lines]


def _render(run: Run) -> list[str]:
    """Return the dashboard's lines: local time by the twelve-hour clock."""
    return [f"{_at(when):%b %-d %I:%M:%S %p}  {line}" for when, line in run.lines]


def _beanstalk(run: Run) -> list[str]:
    """Return `/var/log/web.stdout.log`: rsyslog's head with the name of the process."""
    host = "ip-172-31-20-7"
    return [f"{_at(when):%b %e %H:%M:%S} {host} web[{run.pid}]: {line}" for when, line in run.lines]


def _syslog(run: Run) -> list[str]:
    local = timezone(timedelta(hours=1))
    return [
        f"{datetime.fromtimestamp(when, local).isoformat(timespec='microseconds')} web-1 {run.name}[{run.pid}]: {line}"
        for when, line in run.lines
    ]


_PLATFORMS: dict[str, Callable[[Run], list[str]]] = {
    "journald": _journald(lambda when, name, pid: f"{_at(when):%b %d %H:%M:%S} web-1 {name}[{pid}]: "),
    "journald-iso": _journald(lambda when, name, pid: f"{_at(when):%Y-%m-%dT%H:%M:%S}+0000 web-1 {name}[{pid}]: "),
    "journald-unit": _journald(
        lambda when, name, pid: (
            f"{_at(when):%a %Y-%m-%d %H:%M:%S} UTC web-1 {'init.scope' if name == 'systemd' else 'web.service'}[{pid}]: "
        )
    ),
    "syslog": _syslog,
    "compose": _compose,
    "kubectl": _each(lambda when: f"[pod/web-5d9f8c7b4-x2k4q/app] {_iso(when, 9)}Z "),
    "docker-json": _docker_json,
    "heroku": _heroku,
    "render": _render,
    "cloudwatch": _cloudwatch,
    "beanstalk": _beanstalk,
    "gcp-json": _gcp,
}
