"""`run_startup_diagnostics`: the checks of a start inside the app's own process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import jsonschema
import pytest

from bootcheck import checks, run_startup_diagnostics, step
from bootcheck.checks.base import Context, Moment
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Finding
from bootcheck.model.report import LINE_PREFIX, schema
from bootcheck.recorder import Recorder, current, install
from bootcheck.sinks.memory import Memory
from bootcheck.wsgi import diagnostics as wsgi


@dataclass(frozen=True)
class Judge:
    """A check that does what it is told."""

    name: ClassVar[str] = "judge"
    moment: ClassVar[Moment] = Moment.WORKER
    phase: ClassVar[Phase] = Phase.APP
    subject: str = "judge"
    budget: float = 1.0
    raises: BaseException | None = None

    def run(self, context: Context) -> Iterator[Finding]:
        """Raise, or tell what it was given."""
        if self.raises is not None:
            raise self.raises
        with step("inside"):
            context.recorder.passed("judge.app", self.phase, app=str(context.app))
        return
        yield


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process may have loaded a server for another test; it runs under none."""
    for name in wsgi._SERVERS:
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment with a report directory of its own."""
    return {"BOOTCHECK_DIR": str(tmp_path / "reports")}


def reports(environ: dict[str, str]) -> list[dict[str, Any]]:
    """Return the reports, each valid; fails where anything else was left in the directory."""
    found = []
    for path in sorted(Path(environ["BOOTCHECK_DIR"]).iterdir()):
        assert path.suffix == ".json", f"{path.name} was left behind"
        found.append(json.loads(path.read_bytes()))
        jsonschema.validate(found[-1], schema())
    return found


def test_a_healthy_app_is_true_and_leaves_a_boot_report(environ: dict[str, str], capfd: pytest.CaptureFixture[str]):
    """The report holds the checkpoints; one line says so."""
    result = run_startup_diagnostics("the app", checks=[Judge()], environ=environ)

    assert result
    assert (result.problems, result.exit_code) == ((), 0)
    (report,) = reports(environ)
    assert (report["kind"], report["role"], report["verdict"]["cause"]) == ("boot", "worker", "none")
    assert report["attributes"]["process.pid"] == os.getpid()
    names = [checkpoint["name"] for checkpoint in report["checkpoints"]]
    assert {"worker.boot", "check.judge", "inside", "judge.app"} <= set(names)
    assert result.report_path == str(Path(environ["BOOTCHECK_DIR"]) / os.path.basename(result.report_path or ""))
    assert "start-up diagnostics passed" in capfd.readouterr().err


def test_a_failed_check_is_false_after_the_report_is_written(
    environ: dict[str, str], capfd: pytest.CaptureFixture[str]
):
    """Result, report, banner and the line on stderr tell the same; the process is left alone."""
    result = run_startup_diagnostics(None, checks=[checks.env("SECRET_KEY", secret=True)], environ=environ)

    assert not result
    assert result.problems == ("SECRET_KEY is not set.",)
    assert [finding.code for finding in result.findings] == ["BC101"]
    assert result.exit_code == 1
    (report,) = reports(environ)
    assert (report["kind"], report["verdict"]["cause"], report["verdict"]["code"]) == ("crash", "check_failed", "BC101")
    assert report["step"] == "check.env"
    said = capfd.readouterr().err
    assert "THE APP MUST NOT SERVE" in said
    (line,) = [line for line in said.splitlines() if line.startswith(LINE_PREFIX)]
    assert json.loads(line.removeprefix(LINE_PREFIX))["report_id"] == report["report_id"]


def test_in_a_pod_a_failure_is_the_termination_message(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whatever the server."""
    file = tmp_path / "termination-log"
    file.touch()
    monkeypatch.setattr("bootcheck.sinks.termination.FILE", str(file))
    pod = {**environ, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert not run_startup_diagnostics(None, environ=pod, checks=[checks.env("NOT_SET")])
    told = file.read_text(encoding="utf-8")
    assert told.startswith("bootcheck: THE APP MUST NOT SERVE: ")
    assert "NOT_SET" in told.splitlines()[0]


def test_under_gunicorn_the_exit_code_is_3(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """Any other code and Gunicorn starts the worker again, without end."""
    for name in ("uwsgi", "granian", "waitress", "mod_wsgi"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "gunicorn.arbiter", ModuleType("gunicorn.arbiter"))

    assert run_startup_diagnostics(checks=[checks.env("SECRET_KEY")], environ=environ).exit_code == 3


def test_what_is_only_discovered_warns(environ: dict[str, str]):
    """A database that nobody declared does not stop the app, until everything is to count."""
    environ["DATABASE_URL"] = "postgres://user@db.invalid/app"

    assert run_startup_diagnostics(environ=environ)
    assert not run_startup_diagnostics(environ=environ | {"BOOTCHECK_ENFORCE": "all"})


def test_observe_lets_everything_pass(environ: dict[str, str]):
    """The findings are there all the same."""
    result = run_startup_diagnostics(
        checks=[checks.env("SECRET_KEY")], environ=environ | {"BOOTCHECK_ENFORCE": "observe"}
    )

    assert result
    assert [finding.code for finding in result.findings] == ["BC101"]


def test_required_variables_of_the_environment_are_declared(environ: dict[str, str]):
    """`BOOTCHECK_REQUIRE_ENV` works without Gunicorn, too."""
    assert not run_startup_diagnostics(environ=environ | {"BOOTCHECK_REQUIRE_ENV": "API_HOST"})


def test_a_wrong_setting_of_bootcheck_is_a_problem(environ: dict[str, str]):
    """It is said with the nearest right name; nothing is raised."""
    result = run_startup_diagnostics(environ=environ | {"BOOTCHECK_ENFORCED": "all"})

    assert not result
    assert "Did you mean BOOTCHECK_ENFORCE?" in result.problems[0]
    (report,) = reports(environ)
    assert report["step"] == "worker.boot"


@pytest.mark.parametrize("raised", [ZeroDivisionError("x"), SystemExit(1)])
def test_a_check_that_raises_stops_nothing(environ: dict[str, str], raised: BaseException):
    """Neither its exception nor its wish to end the process comes through."""
    result = run_startup_diagnostics(checks=[Judge(raises=raised)], environ=environ)

    assert result
    assert [finding.code for finding in result.findings] == ["BC002"]


def test_disabled_means_nothing_at_all(environ: dict[str, str], capfd: pytest.CaptureFixture[str]):
    """No file, no line, a true result."""
    environ["BOOTCHECK_DISABLE"] = "1"

    assert run_startup_diagnostics(checks=[checks.env("SECRET_KEY")], environ=environ)
    assert not os.path.exists(environ["BOOTCHECK_DIR"])
    assert capfd.readouterr().err == ""


def test_a_directory_that_cannot_be_used_changes_the_path_only(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """The result is the same, and stderr says where reports go instead."""
    (tmp_path / "file").write_text("")

    result = run_startup_diagnostics(environ={"BOOTCHECK_DIR": str(tmp_path / "file")})

    assert result
    assert "cannot use" in capfd.readouterr().err


def test_a_fault_of_bootcheck_lets_the_app_go_on(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """A guest never breaks the house."""
    monkeypatch.setattr("bootcheck.wsgi.diagnostics.ReportDirectory", None)

    assert run_startup_diagnostics(environ=environ)
    assert "please report" in capfd.readouterr().err.lower()


def test_in_an_armed_worker_the_journal_gets_everything_and_no_second_report_is_written(environ: dict[str, str]):
    """There the master writes the one report of a death."""
    armed, before = Memory(), current()
    install(Recorder([armed]))
    try:
        result = run_startup_diagnostics(checks=[checks.env("SECRET_KEY")], environ=environ)
        left = list(current().sinks)
    finally:
        install(before)

    assert not result
    assert result.report_path is None
    assert not os.path.exists(environ["BOOTCHECK_DIR"])
    assert any(record["t"] == "finding" for record in armed.records)
    assert left == [armed]


def test_afterwards_the_process_records_as_before(environ: dict[str, str]):
    """The recorder of the diagnostics does not outlive them."""
    before = current()
    run_startup_diagnostics(environ=environ)

    assert current() is before


@pytest.mark.parametrize("kind", ["engine", "url", "flask-sqlalchemy"])
def test_a_database_is_declared_by_being_given(environ: dict[str, str], tmp_path: Path, kind: str):
    """An engine, a URL and a Flask-SQLAlchemy object are asked alike: here, a directory that is missing."""
    url = f"sqlite:///{tmp_path}/missing/app.db"
    app: Any = None
    db: Any = url
    if kind == "engine":
        db = pytest.importorskip("sqlalchemy").create_engine(url)
    elif kind == "flask-sqlalchemy":
        app = pytest.importorskip("flask").Flask("shop")
        app.config["SQLALCHEMY_DATABASE_URI"] = url
        db = pytest.importorskip("flask_sqlalchemy").SQLAlchemy(app)

    result = run_startup_diagnostics(app, db, environ=environ)

    assert not result
    assert result.problems


def test_a_database_that_answers_is_true(environ: dict[str, str], tmp_path: Path):
    """Its checkpoints stand in the report."""
    result = run_startup_diagnostics(None, f"sqlite:///{tmp_path}/app.db", environ=environ)

    assert result, result.problems
    (report,) = reports(environ)
    assert any(checkpoint["phase"] == "database" for checkpoint in report["checkpoints"])


def test_something_that_is_no_database_is_refused_by_name(environ: dict[str, str]):
    """The problem says what was given and what is expected; nothing is raised."""
    result = run_startup_diagnostics(None, object(), environ=environ)

    assert "builtins.object" in result.problems[0]


def test_no_secret_reaches_report_or_stderr(environ: dict[str, str], capfd: pytest.CaptureFixture[str]):
    """A password in a URL is hidden everywhere."""
    password = "hunter2-hunter2"
    environ["DATABASE_URL"] = f"postgresql://user:{password}@db.invalid:1/app"

    result = run_startup_diagnostics(None, environ["DATABASE_URL"], environ=environ)

    assert not result
    assert password not in capfd.readouterr().err + repr(result)
    assert all(password not in path.read_text() for path in Path(environ["BOOTCHECK_DIR"]).iterdir())
