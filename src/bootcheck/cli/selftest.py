"""Prove that this installation works: start real servers, look at what they left.

A healthy app and one that raises are started under Gunicorn in a temporary
directory on a free port of 127.0.0.1. Each line says what was done and seen.

Exit codes: 0 everything works, 1 something does not, 2 it could not be tried.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from bootcheck.cli import seconds
from bootcheck.parent.trial import CONFIG_FILE, Trial, place, started, stopped

NAME = "selftest"
HELP = "prove that this installation works, with real servers"

CONFIG = """\
from bootcheck import arm, checks

wsgi_app = "app:app"
bind = "127.0.0.1:0"
workers = 1
arm(globals(), checks=[checks.env("SELFTEST_TOKEN")])
"""
HEALTHY = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"healthy"]
"""
FAILING = 'raise RuntimeError("selftest: raised on purpose")\n'
_COMMAND = "import sys; from bootcheck.cli import main; sys.exit(main(sys.argv[1:]))"
"""The console script may stand outside PATH; the interpreter is known."""
_LISTENING = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--timeout", type=seconds, default=30.0, metavar="S", help="seconds to wait for each event (30)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the temporary directory, and say where it is")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:  # noqa: ARG001
    """Try everything and return 1 if a line failed."""
    with place(NAME, keep=args.keep) as folder:
        if args.keep:
            print(f"keeping {folder}", file=out)
        return _Selftest(folder, args.timeout, out).run()


class _Selftest:
    """Strictly private: one run in one directory."""

    def __init__(self, folder: Path, timeout: float, out: TextIO) -> None:
        self._folder = folder
        self._reports = folder / "reports"
        self._timeout = timeout
        self._out = out
        self._failures = 0

    def run(self) -> int:
        """Run every part, also after a failed one."""
        self._versions()
        self._where_reports_go()
        for part in (self._refused, self._healthy, self._failing, self._analysed):
            before = self._failures
            try:
                part()
            except (OSError, ValueError, KeyError, IndexError, subprocess.SubprocessError) as exc:
                self._tell(False, f"{part.__name__.strip('_')}: {type(exc).__name__}: {exc}")
            if self._failures > before:
                self._show_log()
        if self._failures:
            self._out.write(f"{self._failures} of these failed: this installation does not work as it should.\n")
            return 1
        self._out.write("This installation works.\n")
        return 0

    def _tell(self, right: bool, what: str) -> None:  # noqa: FBT001
        self._failures += not right
        self._out.write(f"{'ok    ' if right else 'FAILED'} {what}\n")
        self._out.flush()

    def _show_log(self) -> None:
        log = self._folder / "log"
        if log.exists():
            for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]:
                self._out.write(f"       | {line}\n")

    def _versions(self) -> None:
        from importlib.metadata import version

        python = ".".join(map(str, sys.version_info[:3]))
        self._tell(True, f"Python {python}, Gunicorn {version('gunicorn')}, {sys.platform}")

    def _where_reports_go(self) -> None:
        from bootcheck.sinks.directory import ReportDirectory

        directory = ReportDirectory(os.environ)
        notes = "".join(f" ({note})" for note in directory.notes)
        self._tell(bool(directory), f"reports of this user's servers go to {directory.path or 'stderr only'}{notes}")

    def _refused(self) -> None:
        """A declared check that fails stops the start before a worker is forked."""
        code, said = self._start_and_wait(HEALTHY, {"SELFTEST_TOKEN": None})
        self._tell(code == 78, f"a missing variable: Gunicorn ended with {code} (expected 78)")
        self._tell("SELFTEST_TOKEN" in said and "BC101" in said, "its last screen names the variable and BC101")
        self._tell("Booting worker" not in said, "no worker was forked")
        causes = [report["verdict"]["cause"] for report in self._take("crash")]
        self._tell(causes == ["check_failed"], f"its report says {causes or 'nothing'} (expected ['check_failed'])")

    def _healthy(self) -> None:
        """A healthy app serves, and master and worker leave a boot report each."""
        server, log = self._start(HEALTHY, {"SELFTEST_TOKEN": "present"})
        try:
            port = self._until(lambda: self._port(log), server)
            answer = self._until(lambda: _get(port), server) if port else None
            self._tell(answer == b"healthy", f"a healthy app: GET / answered {answer!r}")
            roles = self._until(self._two_boots, server) or []
            self._tell(roles == ["master", "worker"], f"boot reports: {', '.join(roles) or 'none'}")
        finally:
            code = stopped(server, self._timeout)
        self._tell(code == 0, f"SIGTERM: Gunicorn ended with {code} (expected 0)")
        self._tell(not self._take("crash"), "an ordered stop left no crash report")
        self._take("boot")

    def _failing(self) -> None:
        """An app that raises is told about in a report and on stderr."""
        code, said = self._start_and_wait(FAILING, {"SELFTEST_TOKEN": "present"})
        self._tell(code not in (0, None), f"an app that raises: Gunicorn ended with {code}")
        reports = [report for report in self._look("crash") if report["role"] == "worker"]
        told = [(report["verdict"]["cause"], report["step"]) for report in reports]
        self._tell(told == [("exception", "app.load")], f"one crash report: {told or 'none'}")
        line = next((line for line in said.splitlines() if line.startswith("BOOTCHECK_REPORT ")), "")
        (self._folder / "stderr.log").write_text(line + "\n", encoding="utf-8")
        self._tell("selftest: raised on purpose" in line, "a BOOTCHECK_REPORT line on stderr holds the essence")

    def _analysed(self) -> None:
        """`analyze` finds the cause, in the directory and in the line alone."""
        for what, path in (("the directory", self._reports), ("that line alone", self._folder / "stderr.log")):
            command = [sys.executable, "-c", _COMMAND, "analyze", "--format", "json", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=self._timeout, check=False)  # noqa: S603
            codes = [incident["code"] for incident in json.loads(done.stdout or '{"incidents": []}')["incidents"]]
            right = codes == ["BC501"] and done.returncode == 1
            self._tell(
                right, f"bootcheck analyze of {what}: {codes or done.stderr.strip()}, exit code {done.returncode}"
            )

    # -- servers --------------------------------------------------------------------------------

    def _start(self, app: str, variables: dict[str, str | None]) -> tuple[Trial, Path]:
        log = self._folder / "log"
        with log.open("wb") as stream:
            server = started(self._folder, {"app.py": app, CONFIG_FILE: CONFIG}, variables, stream.fileno())
        return server, log

    def _start_and_wait(self, app: str, variables: dict[str, str | None]) -> tuple[int | None, str]:
        server, log = self._start(app, variables)
        try:
            code: int | None = server.wait(timeout=self._timeout)
        except subprocess.TimeoutExpired:
            stopped(server, self._timeout)
            code = None
        return code, log.read_text(encoding="utf-8", errors="replace")

    def _until(self, look: Callable[[], Any], server: Trial) -> Any:
        """Return the first answer that is not None; None once the server ended or time is up."""
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            ended = server.poll() is not None
            found = look()
            if found is not None or ended:
                return found
            time.sleep(0.02)
        return None

    def _port(self, log: Path) -> int | None:
        match = _LISTENING.search(log.read_text(encoding="utf-8", errors="replace"))
        return int(match[1]) if match else None

    # -- reports --------------------------------------------------------------------------------

    def _look(self, kind: str) -> list[dict[str, Any]]:
        from bootcheck.model.report import schema

        reports = [json.loads(path.read_bytes()) for path in sorted(self._reports.glob(f"{kind}-*.json"))]
        required = set(schema()["required"])
        for report in reports:
            if not required <= report.keys():
                msg = f"a report lacks {', '.join(sorted(required - report.keys()))}"
                raise ValueError(msg)
        return reports

    def _take(self, kind: str) -> list[dict[str, Any]]:
        reports = self._look(kind)
        for path in self._reports.glob(f"{kind}-*.json"):
            path.unlink()
        return reports

    def _two_boots(self) -> list[str] | None:
        roles = sorted(report["role"] for report in self._look("boot"))
        return roles if len(roles) >= 2 else None


def _get(port: int) -> bytes | None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    except OSError:
        return None
    finally:
        connection.close()
