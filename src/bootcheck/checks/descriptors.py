"""The limit of open files is too low for the workers.

What it means

BC404: each connection, file and pipe of a process is a descriptor, and RLIMIT_NOFILE (`ulimit -n`) limits them
per process. The limit is below what the master needs for its workers, or below the connections that one worker
is configured to hold at a time (a warning), or below what you asked for.

How it looks

`OSError: [Errno 24] Too many open files` under load, from accept, from a database driver or from reading a
file; a worker that turns deaf without dying. `[Errno 23]` (ENFILE) is the same for the whole machine.

Why it happens

systemd and many images give 1024; `worker_connections` was raised and the limit was not; a leak fills any
limit sooner or later.

What to do

Raise it where the server starts: `LimitNOFILE=65536` (systemd), `--ulimit nofile=65536:65536` (Docker),
`ulimit -n 65536` before `exec gunicorn`. Or lower `worker_connections`.

How to know it is fixed

`grep "open files" /proc/PID/limits` of a worker shows the new limit, and the checkpoints `descriptors.master`,
`.worker` and `.system` have passed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from bootcheck.checks import options
from bootcheck.checks.base import Context, Moment, Server
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.probes.process import open_descriptors

RULES: tuple[str, ...] = ("BC404",)

_BASE = 64
"""What an app has open without a single request: libraries, logs, a small pool, Gunicorn's own."""
_PER_WORKER = 2
"""What the master holds for each worker: its heartbeat file, and one in reserve while it is replaced."""
_MULTIPLEXING = ("gthread", "gevent", "eventlet", "tornado", "asgi", "uvicorn")
_RAISE = (
    "systemd: LimitNOFILE=65536",
    "Docker: --ulimit nofile=65536:65536",
    "shell: ulimit -n 65536 before exec gunicorn",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """Compares the limit of open files with what the configuration may use."""

    name: ClassVar[str] = "descriptors"
    # Workers inherit the master's limits.
    moment: ClassVar[Moment] = Moment.MASTER
    phase: ClassVar[Phase] = Phase.SERVER

    minimum: int | None = None
    file_nr: str = "/proc/sys/fs/file-nr"

    def __post_init__(self) -> None:
        """Refuse a minimum that is no number."""
        if self.minimum is not None:
            options.whole("descriptors", "minimum", self.minimum, least=1)

    @property
    def subject(self) -> str:
        """The limit: there is one per server."""
        return "RLIMIT_NOFILE"

    @property
    def budget(self) -> float:
        """Nothing here waits."""
        return 1.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield where the limit is too low."""
        limits = _limits()
        if limits is None:
            context.recorder.skipped("descriptors.master", self.phase, "this system has no such limit")
            return
        soft, hard = limits
        yield from self._master(context, soft, hard)
        yield from self._worker(context, soft, hard)
        yield from self._system(context)

    def _master(self, context: Context, soft: float, hard: float) -> Iterator[Finding]:
        used = open_descriptors() or 0
        need = used + context.server.workers * _PER_WORKER + len(context.server.bind) + 8
        if soft >= need:
            context.recorder.passed("descriptors.master", self.phase, limit=_plain(soft), open=used, need=need)
            return
        context.recorder.failed("descriptors.master", self.phase, limit=_plain(soft), open=used, need=need)
        yield _low(
            f"The master may open {soft:.0f} files and needs about {need} for {context.server.workers} workers.",
            (f"{used} are open already", _described(soft, hard)),
        )

    def _worker(self, context: Context, soft: float, hard: float) -> Iterator[Finding]:
        connections = _connections(context.server)
        need = self.minimum if self.minimum is not None else connections + _BASE
        detail = {"limit": _plain(soft), "hard": _plain(hard), "need": need, "connections": connections}
        if soft >= need:
            context.recorder.passed("descriptors.worker", self.phase, **detail)
            return
        if self.minimum is not None:
            context.recorder.failed("descriptors.worker", self.phase, **detail)
            yield _low(
                f"A worker may open {soft:.0f} files; at least {self.minimum} are required.", (_described(soft, hard),)
            )
            return
        # Gunicorn's default of 1000 connections under the usual 1024 files is everybody's: worth a note, no alarm.
        severity = Severity.ERROR if soft < _BASE else Severity.WARNING if soft < connections else Severity.INFO
        record = context.recorder.passed if severity is Severity.INFO else context.recorder.failed
        record("descriptors.worker", self.phase, **detail, tight=True)
        yield _low(
            f"A worker may hold {connections} connections and open only {soft:.0f} files.",
            (
                f"worker_class {context.server.worker_class}, room for {connections} connections",
                _described(soft, hard),
            ),
            severity=severity,
        )

    def _system(self, context: Context) -> Iterator[Finding]:
        numbers = _numbers(self.file_nr)
        if numbers is None:
            context.recorder.skipped("descriptors.system", self.phase, f"{self.file_nr} cannot be read")
            return
        used, most = numbers
        if used < most * 0.95:
            context.recorder.passed("descriptors.system", self.phase, open=used, limit=most)
            return
        context.recorder.failed("descriptors.system", self.phase, open=used, limit=most)
        yield Finding(
            code="BC404",
            severity=Severity.WARNING,
            summary=f"The whole machine has {used} of at most {most} files open.",
            action=(
                "Find who holds them: lsof | awk '{print $1}' | sort | uniq -c | sort -n | tail",
                "sysctl fs.file-max",
            ),
            evidence=(Evidence(source=self.file_nr, text=f"{used} of {most}"),),
        )


def descriptors(minimum: int | None = None) -> Descriptors:
    """Check the limit of open files.

    Args:
        minimum: what a worker must be able to open; by default its connections and some more.
    """
    return Descriptors(minimum=minimum)


def discover(environ: Mapping[str, str], server: Server) -> Iterator[Descriptors]:  # noqa: ARG001 - one signature for all
    """Yield the check: every server has this limit."""
    yield Descriptors()


def _limits() -> tuple[float, float] | None:
    try:
        import resource
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    return (float("inf") if soft == unlimited else soft, float("inf") if hard == unlimited else hard)


def _connections(server: Server) -> int:
    kind = server.worker_class.rpartition(".")[2].lower()
    if any(name in kind or name in server.worker_class.lower() for name in _MULTIPLEXING):
        return max(server.worker_connections, server.threads)
    return max(1, server.threads)


def _numbers(path: str) -> tuple[int, int] | None:
    try:
        with open(path, encoding="ascii") as file:
            used, free, most = (int(part) for part in file.read().split()[:3])
    except (OSError, ValueError):
        return None
    return used - free, most


def _plain(limit: float) -> int | None:
    return None if limit == float("inf") else int(limit)


def _described(soft: float, hard: float) -> str:
    shown = ["unlimited" if limit == float("inf") else f"{limit:.0f}" for limit in (soft, hard)]
    return f"soft limit {shown[0]}, hard limit {shown[1]}"


def _low(summary: str, facts: tuple[str, ...], *, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(
        code="BC404",
        severity=severity,
        summary=summary,
        action=_RAISE,
        evidence=tuple(Evidence(source=f"pid {os.getpid()}", text=fact) for fact in facts),
        confirm="grep 'open files' /proc/self/limits",
    )
