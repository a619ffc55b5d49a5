"""Real Gunicorn servers for tests: started in a directory of their own, watched, and judged when they end.

`BOOTCHECK_TEST_PYTHONS` names other interpreters (comma-separated paths) whose Gunicorn the same
tests are to run against; without it they run against the one beside this interpreter.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bootcheck.model.report import LINE_PREFIX, MAX_ANNOUNCEMENT, schema

SOURCE = Path(__file__).resolve().parents[2] / "src"
PATIENCE = float(os.environ.get("BOOTCHECK_TEST_PATIENCE", "60"))
"""Seconds that a test waits for an event before it gives up: machines under test are slow."""
PAUSE = 0.02
FULL = os.environ.get("BOOTCHECK_TEST_MATRIX") == "full"
WIDE = FULL or os.environ.get("BOOTCHECK_TEST_MATRIX") == "wide"
"""What `.ci/run` runs: also what is marked as `wide`, so that a bare `pytest` ends within eight minutes."""
"""True where the whole of each product is run: for nights, and before releases."""

HELLO = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""
HELLO_ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await send({"type": "lifespan.shutdown.complete"})
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""
ARMED = """
import bootcheck
from bootcheck.sinks.directory import ReportDirectory

ReportDirectory.SLOW = 30  # seconds: a crowded machine is no slow disk
bootcheck.arm(globals())
"""
STUBBORN = """
import time
def app(environ, start_response):
    open("busy", "w").close()
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
"""
"""An app that no order ends: each request stays in it."""
TURN = """
import os


def first(name="first"):
    \"\"\"Return True for the first process that asks.\"\"\"
    try:
        here = os.path.dirname(os.path.abspath(__file__))
        os.close(os.open(os.path.join(here, "turn-" + name), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
"""
"""A module for apps that are to fail once only: without a loop, a test can count."""

CLASSES = {
    "sync": "sync",
    "gthread": "gthread",
    "gevent": "gevent",
    "asgi": "asgi",
    "uvicorn": "uvicorn_worker.UvicornWorker",
}
_FIRST_WORDS = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "TMPDIR",
    "COVERAGE_PROCESS_START",
    "COVERAGE_PROCESS_CONFIG",
)
_OWN_FAULTS = re.compile(
    r"^.*(?:Please report this|checkpoint \d+ was lost|is out of use in pid|record was lost).*$", re.MULTILINE
)
_TAG = "HARNESS_TAG"


def partly(values: Sequence[Any], *always: Any) -> list[Any]:
    """Return parameters of which only `always` belong to the default run, and all to the full one.

    A tuple is a row of a test with several.
    """
    assert set(always) < set(values), "what always runs is a part of the whole"
    rows = ((value, value if isinstance(value, tuple) else (value,)) for value in values)
    return [value if value in always else pytest.param(*row, marks=pytest.mark.full) for value, row in rows]


@dataclass(frozen=True)
class Interpreter:
    """A Python with a Gunicorn."""

    path: str
    python: tuple[int, int]
    gunicorn: tuple[int, ...]
    has: frozenset[str]
    """Which of the optional modules it has."""
    uvicorn_fits: bool
    """False where uvicorn-worker 0.3 meets a uvicorn that it breaks on."""
    installed: bool
    """True where bootcheck is installed there."""

    @property
    def label(self) -> str:
        """A short name for test ids."""
        return f"py{self.python[0]}{self.python[1]}-g{'.'.join(map(str, self.gunicorn[:2]))}"

    def lacks(self, kind: str) -> str | None:
        """Return why a worker class cannot run here, or None."""
        if kind == "asgi" and self.gunicorn < (25,):
            return "Gunicorn has an asgi worker from 25 on"
        if kind == "gevent" and "gevent" not in self.has:
            return "gevent is not installed there"
        if kind == "uvicorn" and not ({"uvicorn", "uvicorn_worker"} <= self.has and self.uvicorn_fits):
            return "no uvicorn-worker that fits its uvicorn is installed there"
        return None


_PROBE = """
import importlib.metadata as m, importlib.util as u, json, re, sys
def number(name):
    try:
        return [int(part) for part in re.findall(r"\\d+", m.version(name))[:3]]
    except m.PackageNotFoundError:
        return []
names = [
    *("gevent", "uvicorn", "uvicorn_worker", "flask", "sqlalchemy", "psycopg", "psycopg2", "pymysql", "MySQLdb"),
    *("apscheduler", "django", "numpy", "opentelemetry.sdk", "prometheus_client", "sentry_sdk"),
    "bootcheck_siginfo",
]
def there(name):
    parts = name.split(".")
    return all(u.find_spec(".".join(parts[: length + 1])) for length in range(len(parts)))
print(json.dumps({
    "python": sys.version_info[:2],
    "gunicorn": number("gunicorn"),
    "has": [name for name in names if there(name)],
    "fits": number("uvicorn-worker") >= [0, 4] or number("uvicorn") < [0, 36],
    "installed": u.find_spec("bootcheck") is not None,
}))
"""


@functools.cache
def interpreter(path: str) -> Interpreter:
    """Ask a Python what it has."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    told = json.loads(
        subprocess.run([path, "-c", _PROBE], capture_output=True, check=True, env=environ, cwd="/").stdout
    )
    return Interpreter(
        path=path,
        python=tuple(told["python"]),
        gunicorn=tuple(told["gunicorn"]),
        has=frozenset(told["has"]),
        uvicorn_fits=told["fits"],
        installed=told["installed"],
    )


def interpreters() -> list[str]:
    """Return the paths of the interpreters to test with."""
    named = [path.strip() for path in os.environ.get("BOOTCHECK_TEST_PYTHONS", "").split(",") if path.strip()]
    return named or [sys.executable]


def wait_until(condition: Callable[[], Any], what: str | Callable[[], str], limit: float = PATIENCE) -> Any:
    """Return the condition's first true value; fail after `limit` seconds, saying what did not happen."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            message = what if isinstance(what, str) else what()
            failure = f"still waiting after {limit:g} s: {message}"
            raise AssertionError(failure)
        time.sleep(PAUSE)


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that waits to be reaped does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in ("Z", "X")


def sleeps(pid: int) -> bool:
    """Tell whether a process waits in a system call, at three looks in a row."""
    for _ in range(3):
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return False
        if text.rpartition(")")[2].split()[0] != "S":
            return False
        time.sleep(PAUSE)
    return True


def parent_of(pid: int) -> int:
    """Return the parent's pid, 0 where the process is gone."""
    try:
        return int(
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[1]
        )
    except OSError:
        return 0


def as_from_a_terminal() -> None:
    """Give signals their default actions: whoever started the tests with nohup or `&` had some ignored."""
    for signo in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(signo, signal.SIG_DFL)


class Server:
    """One `gunicorn` in a directory: what it prints, what it reports, and which processes it has."""

    def __init__(
        self,
        home: Path,
        python: Interpreter,
        *,
        app: str | None = None,
        config: str | None = ARMED,
        config_file: str = "bootcheck.conf.py",
        worker_class: str = "sync",
        workers: int = 1,
        options: Sequence[str] = (),
        target: str | None = "app:app",
        environ: Mapping[str, str | None] | None = None,
        reports: Path | None = None,
        files: Mapping[str, str] | None = None,
        stored: bool = True,
        bind: str = "127.0.0.1:0",
        name_config: bool = True,
        prefix: Sequence[str] = (),
        umask: int = -1,
    ) -> None:
        """`stored=False`: the report directory is one in which nothing need arrive.

        `name_config=False`: the configuration file is there and no `-c` names it. A value of None in
        `environ` takes a variable away.
        """
        self.home = home
        self.python = python
        self.kind = worker_class
        self.stored = stored
        self.directory = reports if reports is not None else home / "reports"
        self._tag = f"{os.getpid()}-{time.monotonic_ns()}"
        # Gunicorn's control socket must have a short path, and not the one of every other test.
        self._runtime = Path(tempfile.mkdtemp(prefix="bc-"))
        self._runtime.chmod(0o711)
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self._read: dict[Path, dict[str, Any]] = {}
        self._validator = jsonschema.Draft202012Validator(schema())
        home.mkdir(parents=True, exist_ok=True)
        self._write(app, config, config_file, files or {})
        self._arguments = [
            *prefix,
            python.path,
            str(Path(python.path).with_name("gunicorn")),
            *(("-c", config_file) if config is not None and name_config else ()),
            *(("--bind", bind) if bind else ()),
            *(("--worker-class", CLASSES.get(worker_class, worker_class)) if worker_class != "sync" else ()),
            *(("--workers", str(workers)) if workers != 1 else ()),
            *options,
            *((target,) if target else ()),
        ]
        self._environ = self._environment(environ or {})
        self._umask = umask

    def _write(self, app: str | None, config: str | None, config_file: str, files: Mapping[str, str]) -> None:
        source = app if app is not None else (HELLO_ASGI if self.kind in ("asgi", "uvicorn") else HELLO)
        (self.home / "app.py").write_text(textwrap.dedent(source), encoding="utf-8")
        (self.home / "turn.py").write_text(TURN, encoding="utf-8")
        if config is not None:
            (self.home / config_file).write_text(textwrap.dedent(config), encoding="utf-8")
        for name, text in files.items():
            (self.home / name).write_text(textwrap.dedent(text), encoding="utf-8")

    def _environment(self, extra: Mapping[str, str | None]) -> dict[str, str]:
        environ: dict[str, str | None] = {name: os.environ[name] for name in _FIRST_WORDS if name in os.environ}
        environ |= {
            "HOME": str(self._runtime),
            "XDG_RUNTIME_DIR": str(self._runtime),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "BOOTCHECK_DIR": str(self.directory),
            _TAG: self._tag,
        }
        if not self.python.installed:
            environ["PYTHONPATH"] = str(SOURCE)
        environ |= extra
        return {name: value for name, value in environ.items() if value is not None}

    # -- life -----------------------------------------------------------------------------------

    def start(self) -> Server:
        """Start it, also once more after it has ended: output is appended."""
        self.starts += 1
        with open(self.home / "stdout", "ab") as out, open(self.home / "stderr", "ab") as err:
            self.process = subprocess.Popen(
                self._arguments,
                cwd=self.home,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                umask=self._umask,
                start_new_session=True,
                preexec_fn=as_from_a_terminal,  # noqa: PLW1509 - no thread here
            )
        return self

    @property
    def pid(self) -> int:
        """The master's pid."""
        assert self.process is not None
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        """The master's exit code, None while it runs."""
        assert self.process is not None
        return self.process.poll()

    def wait(self, limit: float = PATIENCE) -> int:
        """Wait for the master's end and return its exit code."""
        assert self.process is not None
        wait_until(lambda: self.process.poll() is not None, lambda: "the master's end" + self.story(), limit)
        return self.process.returncode

    def stop(self, signo: int = signal.SIGTERM) -> int:
        """Send the master a signal and wait for its end."""
        if self.returncode is None:
            os.kill(self.pid, signo)
        return self.wait()

    def signal(self, signo: int) -> None:
        """Send the master a signal."""
        os.kill(self.pid, signo)

    def processes(self) -> list[int]:
        """Return the pids of every living process that this server started, in whatever session."""
        mark = f"{_TAG}={self._tag}".encode()
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    if mark in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0") and alive(int(entry)):
                        found.append(int(entry))
        return sorted(found)

    def workers(self) -> list[int]:
        """Return the pids of the living children of the master."""
        return [pid for pid in self.processes() if parent_of(pid) == self.pid]

    def finish(self) -> None:
        """End what is left and judge what was written; fails where anything is not as it must be."""
        left = self._end_all()
        try:
            assert not left, f"processes were left behind: {left}{self.story()}"
            self.judge()
        finally:
            shutil.rmtree(self._runtime, ignore_errors=True)

    def _end_all(self) -> list[int]:
        """Stop the master where it still runs, then end by pid, and return, what survived it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=45)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not self.processes(), "its processes' end", 3.0)
        left = self.processes()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait(timeout=30)
        return left

    # -- output ---------------------------------------------------------------------------------

    @property
    def stderr(self) -> str:
        """All of stderr so far."""
        path = self.home / "stderr"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    @property
    def stdout(self) -> str:
        """All of stdout so far."""
        path = self.home / "stdout"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    @property
    def own_lines(self) -> list[str]:
        """The lines of stderr that bootcheck printed, banners included."""
        lines, inside = [], False
        for line in self.stderr.splitlines():
            ruler = line == "-" * 80
            if inside or ruler or line.startswith(("bootcheck:", "BOOTCHECK_REPORT", "CHECKPOINT[", '{"t":')):
                lines.append(line)
            inside = inside != ruler
        return lines

    def story(self) -> str:
        """Return the end of stderr and the names of the reports, for a failing test's message."""
        names = sorted(os.listdir(self.directory)) if self.directory.is_dir() else ["(no directory)"]
        return f"\n--- stderr\n{self.stderr[-6000:]}\n--- {self.directory}\n" + "\n".join(names[:40])

    def wait_for_line(self, pattern: str, limit: float = PATIENCE, *, count: int = 1) -> re.Match[str]:
        """Wait until stderr holds `count` matches of a pattern; return the last of them."""
        compiled = re.compile(pattern, re.MULTILINE)

        def found() -> list[re.Match[str]] | None:
            matches = list(compiled.finditer(self.stderr))
            if len(matches) >= count:
                return matches
            if self.process is not None and self.process.poll() is not None and not self.processes():
                matches = list(compiled.finditer(self.stderr))
                assert len(matches) >= count, f"it ended without {pattern!r}{self.story()}"
                return matches
            return None

        return wait_until(found, lambda: f"{count} × {pattern!r} on stderr{self.story()}", limit)[-1]

    # -- reports --------------------------------------------------------------------------------

    def report_files(self) -> list[Path]:
        """Return the report files in the directory and in its subfolder of ours."""
        own = self.directory / f"bootcheck-{os.geteuid()}"
        return sorted(
            path
            for folder in (self.directory, own)
            if folder.is_dir()
            for kind in ("crash", "boot", "snapshot")
            for path in folder.glob(f"{kind}-*.json")
        )

    def reports(self, kind: str = "crash", role: str | None = None) -> list[dict[str, Any]]:
        """Return the valid reports of a kind, oldest first."""
        found = []
        for path in self.report_files():
            if path.name.startswith(kind):
                report = self._read.get(path)
                if report is None:
                    # Complete and final once it has its name: judged once.
                    report = self._read[path] = json.loads(path.read_bytes())
                    self._validator.validate(report)
                if role is None or report["role"] == role:
                    found.append(report)
        return sorted(found, key=lambda report: report["timestamp"])

    def wait_for_reports(
        self, kind: str = "crash", count: int = 1, *, role: str | None = None, limit: float = PATIENCE
    ) -> list[dict[str, Any]]:
        """Wait for at least `count` reports of a kind, deaths announced as well; return all that there are."""

        def told(found: list[dict[str, Any]]) -> bool:
            # The line follows the file: a test that ends in between would find one without the other.
            return kind != "crash" or not self.stored or all(report["report_id"] in self.stderr for report in found)

        return wait_until(
            lambda: found if len(found := self.reports(kind, role)) >= count and told(found) else None,
            lambda: f"{count} {kind} reports ({role or 'any role'}){self.story()}",
            limit,
        )

    def wait_ready(self, workers: int = 1) -> Server:
        """Wait until so many workers have left their boot report."""
        self.wait_for_reports("boot", workers, role="worker")
        return self

    def death(self) -> dict[str, Any]:
        """Return the only crash report; fails where there is none, or more than one."""
        found = self.reports("crash")
        assert len(found) == 1, f"{len(found)} crash reports, not 1{self.story()}"
        return found[0]

    def announced(self) -> list[dict[str, Any]]:
        """Return the objects of the `BOOTCHECK_REPORT` lines on stderr, each checked for its size."""
        found = []
        for line in self.stderr.splitlines():
            if line.startswith(LINE_PREFIX):
                text = line[len(LINE_PREFIX) :]
                assert len(text.encode()) <= MAX_ANNOUNCEMENT, f"{len(text.encode())} bytes: {text[:200]}"
                found.append(json.loads(text))
        return found

    def judge(self) -> None:
        """Fail where a report is invalid, a death and its line disagree, or bootcheck itself failed."""
        lines = [told["report_id"] for told in self.announced()]
        assert len(lines) == len(set(lines)), f"a death was announced twice{self.story()}"
        files = [report["report_id"] for report in self.reports("crash")]
        assert len(files) == len(set(files)), f"two files hold the same report{self.story()}"
        if self.stored:
            assert set(files) == set(lines), f"reports on disk and on stderr differ{self.story()}"
        for kind in ("boot", "snapshot"):
            self.reports(kind)
        faults = _OWN_FAULTS.findall(self.stderr)
        assert not faults, f"bootcheck itself failed: {faults[:3]}"

    def leftovers(self) -> list[str]:
        """Return the names in the directory that are no reports: journals, fault files, partial files."""
        reports = {path.name for path in self.report_files()}
        return [name for name in os.listdir(self.directory) if name not in reports]

    # -- requests -------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port it listens at, once it says so."""
        return int(self.wait_for_line(r"Listening at: https?://127\.0\.0\.1:(\d+)")[1])

    def get(self, path: str = "/", limit: float = 20.0) -> tuple[int, bytes]:
        """Return status and body of one GET request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get_in_vain(self, path: str) -> None:
        """Send a request whose answer may never come."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.get(path, limit=1.0)


@contextlib.contextmanager
def serving(home: Path, python: Interpreter, **options: Any) -> Iterator[Server]:
    """Start a server and, at the end, stop and judge it."""
    server = Server(home, python, **options)
    try:
        yield server.start()
    finally:
        server.finish()


def names_of(report: Mapping[str, Any]) -> list[str]:
    """Return the names of a report's checkpoints, in order."""
    return [checkpoint["name"] for checkpoint in report["checkpoints"]]


def functions_of(report: Mapping[str, Any]) -> list[str]:
    """Return the names of all functions on the report's stacks."""
    return [str(frame["function"]) for stack in report["stacks"] for frame in stack["frames"]]
