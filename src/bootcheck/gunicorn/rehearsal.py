"""A start that serves nobody: the configuration read as Gunicorn reads it, the app loaded as a worker loads it."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.errors import ConfigError

import bootcheck
from bootcheck.checks.base import Check, Context, Moment, Planned, Server, run_one
from bootcheck.gunicorn import arm as arming
from bootcheck.gunicorn.preflight import facts_of
from bootcheck.gunicorn.server import kind_of
from bootcheck.gunicorn.verdict import Death, cause_of, verdict_of
from bootcheck.model.boot import Boot
from bootcheck.model.checkpoint import Phase
from bootcheck.model.errors import BootcheckError, CheckOptionError
from bootcheck.model.finding import Evidence, Finding
from bootcheck.probes.fault_text import of_fault_text
from bootcheck.recorder import Recorder
from bootcheck.sinks.descriptors import unnamed
from bootcheck.sinks.memory import Memory

CONFIG_NAMES = ("bootcheck.conf.py", "gunicorn.conf.py")
"""Looked for in the working directory, in this order, where no file is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """A Gunicorn that has read its configuration and does not run."""

    application: Any
    declared: tuple[Check, ...]
    arms: bool
    """True where the configuration calls `bootcheck.arm`."""

    @property
    def app_uri(self) -> str | None:
        """`module:attribute`, or None where none is named."""
        uri = self.application.app_uri
        return str(uri) if uri else None

    @property
    def environ(self) -> dict[str, str]:
        """The environment as workers would see it."""
        return {**os.environ, **self.application.cfg.env}

    @property
    def server(self) -> Server:
        """What checks may ask about the server."""
        return Server(**facts_of(self.application.cfg, dict(os.environ)), app_uri=self.app_uri)


class _Application(WSGIApplication):  # type: ignore[misc]
    """Strictly private: reads the configuration also where no app is named."""

    def do_load_config(self) -> None:
        # Gunicorn's own version prints and exits; here the caller is told.
        self.load_default_config()
        self.load_config()
        if hasattr(self.cfg, "validate"):
            self.cfg.validate()

    def load_config(self) -> None:
        try:
            super().load_config()
        except ConfigError:
            if self.app_uri is not None or self.cfg.wsgi_app is not None:
                raise


def read(config: str | None = None, app: str | None = None) -> Configured:
    """Read a configuration file, `GUNICORN_CMD_ARGS` and the environment, as `gunicorn -c config app` would.

    Changes the working directory and `sys.path` as Gunicorn does. Raises BootcheckError where the
    configuration cannot be read.
    """
    found = config or next((name for name in CONFIG_NAMES if os.path.isfile(name)), None)
    words = [*(("-c", found) if found else ()), *((app,) if app else ())]
    collected: list[Check] = []
    calls: list[None] = []

    def collect(
        namespace: object = None,  # noqa: ARG001 - as arm() takes it
        *,
        checks: Sequence[Check] = (),
        **others: object,  # noqa: ARG001 - sinks, environ
    ) -> None:
        for check in checks:
            if not hasattr(check, "run"):
                msg = f"checks=[...] holds {check!r}, which is no check. Write for example checks.env('SECRET_KEY')."
                raise CheckOptionError(msg)
        calls.append(None)
        collected[:] = checks

    application = _read_quietly(words, collect, found)
    _python_path(application.cfg)
    return Configured(application=application, declared=tuple(collected), arms=bool(calls))


def _read_quietly(words: list[str], collect: Callable[..., None], found: str | None) -> _Application:
    said = io.StringIO()
    try:
        with _stdout_aside(), _instead_of_arm(collect), _argv(words), contextlib.redirect_stderr(said):
            return _Application("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn")
    except BootcheckError:
        raise
    except (Exception, SystemExit) as exc:
        # Gunicorn prints what is wrong with a file and exits.
        told = said.getvalue().strip() or f"{type(exc).__name__}: {exc}"
        where = found or "the configuration"
        msg = f"cannot read {where}: {told}\nCorrect it, or name another file with -c."
        raise BootcheckError(msg) from exc


@contextlib.contextmanager
def _stdout_aside() -> Iterator[None]:
    """Send to stderr what the configuration prints: stdout is for the findings, which machines read."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:
        with contextlib.redirect_stdout(sys.stderr):
            yield
        return
    try:
        with contextlib.suppress(OSError):
            os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def _instead_of_arm(collect: Callable[..., None]) -> Iterator[None]:
    """Let a configuration file's call of `arm` tell its checks, and arm nothing."""
    before = arming.arm
    arming.arm = collect
    bootcheck.arm = collect
    try:
        yield
    finally:
        arming.arm = before
        bootcheck.arm = before


@contextlib.contextmanager
def _argv(words: list[str]) -> Iterator[None]:
    before = sys.argv
    sys.argv = ["gunicorn", *words]
    try:
        yield
    finally:
        sys.argv = before


def _python_path(cfg: Any) -> None:
    for path in (cfg.pythonpath or "").split(","):
        if path and os.path.abspath(path) not in sys.path:
            sys.path.insert(0, os.path.abspath(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class AppLoad:
    """Loads the app as a worker would, then asks what can be asked of a loaded app only."""

    name: ClassVar[str] = "app"
    moment: ClassVar[Moment] = Moment.PREFLIGHT
    phase: ClassVar[Phase] = Phase.APP

    application: Any = field(repr=False)
    uri: str
    inside: Sequence[Planned] = ()
    """Checks of the workers' moment."""
    budget: float = 60.0
    fault_fd: int = field(default_factory=lambda: unnamed("bootcheck-fault"), repr=False)
    """Where the child's stacks go if native code ends it, or if it never comes back."""

    @property
    def subject(self) -> str:
        """The app as Gunicorn is told it."""
        return self.uri

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield why the app cannot be loaded; the checks inside record their own findings."""
        faulthandler.enable(file=self.fault_fd)
        # A moment before the preflight ends us: the stack is all that a hanging load leaves.
        faulthandler.dump_traceback_later(self.budget, file=self.fault_fd)
        if context.server.worker_class.startswith("gevent"):
            # As the worker does before anything of the app is imported.
            from gevent import monkey

            monkey.patch_all()
        try:
            with context.recorder.step("app.load", Phase.APP, app=self.uri):
                app = self.application.wsgi()
        except BaseException as exc:  # noqa: BLE001 - sys.exit in an import is what this looks for
            yield _told(exc, self.uri, context.recorder)
            return
        for item in self.inside:
            run_one(item, replace(context, app=app))

    def retold(self, finding: Finding) -> Finding:
        """Return the preflight's finding about an app that took its process with it, under the code of that death."""
        if finding.step != f"check.{self.name}" or finding.code != "BC002":
            return finding
        for phrase, code, action in _ENDS:
            if phrase in finding.summary:
                summary = finding.summary.replace("The check app", "Loading the app", 1)
                return replace(finding, code=code, summary=summary, action=(action,), evidence=self._stack())
        return finding

    def _stack(self) -> tuple[Evidence, ...]:
        text = os.pread(self.fault_fd, 65536, 0).decode("utf-8", "replace")
        stacks = of_fault_text(text)
        frames = stacks[0]["frames"][:8] if stacks else []
        return tuple(
            Evidence(source=frame["file"], line=frame["line"], text=f"in {frame['function']}") for frame in frames
        )


def _told(exc: BaseException, uri: str, recorder: Recorder) -> Finding:
    """Return the finding for what a load raised, in the words of a report about the same death."""
    memory = Memory()
    Recorder([memory], redactor=recorder.redactor).exception(exc, kind_of(exc, uri))
    boot = Boot.from_records(memory.records)
    death = Death(boot=replace(boot, head={"role": "worker"}), status=1 << 8)
    cause = cause_of(death)
    assert cause is not None  # noqa: S101 - a journaled exception before ready always has a cause
    verdict = verdict_of(death, cause, "app.load")
    record = memory.records[-1]
    where = [
        Evidence(source=str(frame["file"]), line=frame["line"], text=f"in {frame['function']}")
        for frame in record["frames"][:1]
    ]
    trace = list(_without_machinery(str(record["traceback"]).rstrip().splitlines()))[-12:]
    return Finding(
        code=verdict.code or "BC501",
        summary=verdict.summary,
        # A banner prints the stack under the action, a list of findings above it.
        action=tuple(action.replace(" below", "") for action in verdict.action),
        evidence=(*where, Evidence(source="traceback", text="\n".join(trace))),
    )


def _without_machinery(lines: Sequence[str]) -> Iterator[str]:
    """Leave out the frames through which every import goes."""
    skipping = False
    for line in lines:
        if line.startswith("  File "):
            skipping = "importlib" in line or f"{os.sep}gunicorn{os.sep}" in line
        elif not line.startswith("    "):
            skipping = False
        if not skipping:
            yield line


_ENDS = (
    ("did not finish within", "BC511", "Read the stack below, innermost first: it was waiting there."),
    ("was ended by SIGKILL", "BC506", "Ask what kills processes here: a memory limit, an operator, a supervisor."),
    ("was ended by SIGTERM", "BC505", "Ask who sent the signal: something in the app, or somebody outside."),
    ("was ended by", "BC509", "Look at the library that the innermost Python call below entered, and at its version."),
    (
        "ended its process",
        "BC504",
        "Look for os._exit, or native code that calls exit(), in what the app runs on loading.",
    ),
)
