"""The example in this repository, started as its README says, whole and broken."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import PATIENCE, Interpreter, Server, partly

ROOT = Path(__file__).resolve().parents[2]
KEY = "a-key-of-the-test-suite-0123456789-QwErTyZxCv"
PHASES = {"environment", "configuration", "database", "models", "initialisation"}


@pytest.fixture
def example(tmp_path: Path, python: Interpreter, serve: Callable[..., Server]) -> Callable[..., Server]:
    """Start a server in a copy of the repository's root or of the example's directory."""
    if not {"flask", "sqlalchemy"} <= python.has:
        pytest.skip("Flask or SQLAlchemy is not installed there")

    def start(*, bare: bool = False, **options: Any) -> Server:
        clone = tmp_path / f"clone{len(list(tmp_path.iterdir()))}"
        clone.mkdir()
        shutil.copytree(ROOT / "examples", clone / "examples", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "gunicorn.conf.py", clone)
        home = clone if bare else clone / "examples" / "flask_app"
        app = (clone / "examples" / "flask_app" / "app.py").read_text(encoding="utf-8")
        environ = {"DATABASE_URL": f"sqlite:///{clone}/example.db"}
        environ |= {} if bare else {"SECRET_KEY": KEY}
        environ |= options.pop("environ", {})
        return serve(
            home=home,
            # The harness writes an app.py: here the example's own, so that either is the right one.
            app=app,
            config=None if bare else (home / "bootcheck.conf.py").read_text(encoding="utf-8"),
            target=None if bare else "app:app",
            environ=environ,
            reports=clone / "reports",
            **options,
        )

    return start


def moments(*reports: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the checkpoints that say how something came out."""
    return [item for report in reports for item in report["checkpoints"] if item["outcome"] in ("passed", "failed")]


def test_a_bare_gunicorn_serves_and_leaves_a_report_per_process(example: Callable[..., Server]):
    """The README's first command: `GET /` answers 200, master and both workers left one boot report each."""
    server = example(bare=True).wait_ready(2)

    assert server.get("/")[0] == 200
    assert json.loads(server.get("/posts")[1]) == [{"author": "ada", "title": "Hello"}]
    assert server.get("/health")[0] == 200
    assert server.stop() == 0
    assert sorted(report["role"] for report in server.reports("boot")) == ["master", "worker", "worker"]
    assert server.reports("crash") == []


def test_master_and_worker_reach_35_checkpoints_over_five_phases(example: Callable[..., Server]):
    """Each is different, has passed, and has a duration and the memory."""
    server = example(bare=True).wait_ready(2)
    (master,) = server.reports("boot", "master")
    worker = next(
        report
        for report in server.reports("boot", "worker")
        if any(item["name"] == "example.seed" for item in report["checkpoints"])
    )
    server.stop()

    found = [item for item in moments(master, worker) if item["phase"] in PHASES]
    assert {item["phase"] for item in found} == PHASES
    names = {item["name"] for item in found}
    assert len(names) >= 35, sorted(names)
    # On SQLite the two classes for deployments must not load; that is what makes the basic one load.
    failed = {item["name"] for item in found if item["outcome"] == "failed"}
    assert failed == {"config_classes.config.RenderConfig", "config_classes.config.ProductionConfig"}
    assert [item["name"] for item in found if item["duration_ms"] is None or not item["rss_bytes"]] == []


def test_options_of_the_command_line_win(example: Callable[..., Server]):
    """The repository's configuration gives demonstration values where none are set, and only there."""
    server = example(bare=True, options=("--workers", "1", "-e", "SECRET_KEY=short"), environ={"SECRET_KEY": None})

    assert server.wait() == 78
    assert {finding["code"] for finding in server.death()["findings"]} >= {"BC103"}


def test_without_a_secret_key_the_example_refuses(example: Callable[..., Server]):
    """Its own configuration requires it, and no worker is forked."""
    server = example(environ={"SECRET_KEY": None})

    assert server.wait() == 78
    assert server.death()["verdict"]["code"] == "BC101"
    assert "Booting worker" not in server.stderr


@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
def test_three_problems_stand_on_one_screen(example: Callable[..., Server], tmp_path: Path, preload: bool):
    """A missing key, a postgres:// URL and a path that cannot be used: one run, three findings, exit 78."""
    server = example(
        environ={
            "SECRET_KEY": None,
            "DATABASE_URL": "postgres://shop:pa55-of-the-test@127.0.0.1:1/shop",
            "UPLOAD_DIR": str(tmp_path / "nowhere"),
        },
        options=("--preload",) if preload else (),
    )

    assert server.wait() == 78
    codes = [finding["code"] for finding in server.death()["findings"] if finding["severity"] == "error"]
    assert {"BC101", "BC110"} <= set(codes)
    assert {"BC402", "BC406"} & set(codes)
    assert "Booting worker" not in server.stderr
    assert "pa55-of-the-test" not in server.stderr + server.stdout
    assert all("pa55-of-the-test" not in path.read_text() for path in server.report_files())


@pytest.mark.parametrize(
    ("way", "cause", "code"),
    partly(
        [
            ("import", "exception", "BC501"),
            ("exit", "sys_exit", "BC503"),
            ("os-exit", "os_exit", "BC504"),
            ("segfault", "native_crash", "BC509"),
            ("model", "check_failed", "BC301"),
            ("init", "check_failed", "BC303"),
        ],
        ("import", "exception", "BC501"),
        ("segfault", "native_crash", "BC509"),
        ("model", "check_failed", "BC301"),
    ),
)
def test_each_way_to_break_it_is_told_apart(example: Callable[..., Server], way: str, cause: str, code: str):
    """`EXAMPLE_BREAK` ends each worker with its own cause; the loop breaker ends the server."""
    server = example(environ={"EXAMPLE_BREAK": way})

    assert server.wait(PATIENCE * 2) != 0
    verdicts = {(report["verdict"]["cause"], report["verdict"]["code"]) for report in server.reports("crash", "worker")}
    assert (cause, code) in verdicts
    assert {found for found, _ in verdicts} <= {cause, "sigterm"}


def test_a_hang_is_named_when_it_is_stopped(example: Callable[..., Server]):
    """SIGTERM while it hangs: the report names the step and the function."""
    server = example(environ={"EXAMPLE_BREAK": "hang"})
    server.wait_for_line("waiting for something that never comes")
    server.stop()

    report = server.death()
    assert report["verdict"]["cause"] == "sigterm"
    assert report["step"] == "app.load"
    assert any(frame["function"] == "hang" for stack in report["stacks"] for frame in stack["frames"])


def test_a_slow_start_is_only_slow(example: Callable[..., Server]):
    """Five seconds in the import stand in the boot report; nothing else happens."""
    server = example(environ={"EXAMPLE_BREAK": "slow"}).wait_ready()

    load = next(item for item in moments(*server.reports("boot", "worker")) if item["name"] == "app.load")
    assert load["duration_ms"] >= 5000


def test_the_example_runs_on_postgresql(example: Callable[..., Server], postgres: Any, python: Interpreter):
    """`DATABASE_URL` names it; the production configuration is in use."""
    if "psycopg" not in python.has:
        pytest.skip("psycopg is not installed there")
    database = f"example_{secrets.token_hex(4)}"
    postgres.sql(f"CREATE DATABASE {database} OWNER app")
    server = example(environ={"DATABASE_URL": postgres.url(user="app", database=database)}).wait_ready()

    assert json.loads(server.get("/posts")[1]) == [{"author": "ada", "title": "Hello"}]
    (master,) = server.reports("boot", "master")
    names = {item["name"] for item in moments(master)}
    assert "config_classes.config.ProductionConfig" in names


def test_disabled_the_example_is_plain_gunicorn(example: Callable[..., Server]):
    """No line and no file of bootcheck's, and the app serves."""
    server = example(environ={"BOOTCHECK_DISABLE": "1"}, stored=False)

    assert server.get("/")[0] == 200
    server.stop()
    assert server.own_lines == []
    assert not server.directory.exists()
