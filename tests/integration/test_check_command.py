"""`bootcheck check`: all that a start asks, without a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import PATIENCE, SOURCE

COMMAND = "import sys; from bootcheck.cli import main; sys.exit(main(sys.argv[1:]))"
HELLO = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
"""
CONFIG = """
from bootcheck import arm, checks
wsgi_app = "app:app"
arm(globals(), checks=[checks.env("NEEDED")])
"""


class Project:
    """A directory in which the command is run."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.write("app.py", HELLO)

    def write(self, name: str, text: str) -> None:
        """Write one file."""
        (self.home / name).write_text(text, encoding="utf-8")

    def check(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the command in an environment of its own."""
        base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        base |= {"PYTHONPATH": str(SOURCE), "BOOTCHECK_DIR": str(self.home / "reports")}
        return subprocess.run(
            [sys.executable, "-c", COMMAND, "check", *words],
            cwd=self.home,
            env=base | environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE * 2,
            check=False,
        )

    def codes(self, *words: str, **environ: str) -> tuple[int, list[str]]:
        """Return the exit code and the codes of all findings."""
        done = self.check("--format", "json", *words, **environ)
        try:
            told = json.loads(done.stdout)
        except ValueError:
            raise AssertionError(done.stdout + done.stderr) from None
        return done.returncode, [finding["code"] for finding in findings(told)]


def findings(told: Any) -> list[dict[str, Any]]:
    """Return every finding, wherever it stands in the JSON."""
    if isinstance(told, dict):
        if {"code", "slug", "severity"} <= told.keys():
            return [told]
        return [found for value in told.values() for found in findings(value)]
    return [found for item in told for found in findings(item)] if isinstance(told, list) else []


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a healthy app and one required variable."""
    made = Project(tmp_path)
    made.write("bootcheck.conf.py", CONFIG)
    return made


def test_nothing_wrong_is_0_and_nothing_is_written(project: Project):
    """No report, no journal, no directory: the command only asks."""
    before = sorted(os.listdir(project.home))
    done = project.check(NEEDED="there", PYTHONDONTWRITEBYTECODE="1")

    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(os.listdir(project.home)) == before


def test_a_declared_check_that_fails_is_1(project: Project):
    """The finding has its code, and the text names the variable."""
    assert project.codes() == (1, ["BC101"])
    assert "NEEDED" in project.check().stdout


def test_the_configuration_may_be_named_or_found(project: Project):
    """bootcheck.conf.py comes before gunicorn.conf.py; -c names any other."""
    project.write("gunicorn.conf.py", CONFIG.replace("NEEDED", "OTHER"))
    project.write("third.py", CONFIG.replace("NEEDED", "THIRD"))

    assert "NEEDED" in project.check().stdout
    assert "THIRD" in project.check("-c", "third.py").stdout
    (project.home / "bootcheck.conf.py").unlink()
    assert "OTHER" in project.check().stdout


def test_a_plain_gunicorn_configuration_is_enough(project: Project):
    """Without `arm` what is discovered is asked all the same."""
    (project.home / "bootcheck.conf.py").unlink()
    project.write("gunicorn.conf.py", 'wsgi_app = "app:app"\n')

    assert project.codes()[0] == 0
    assert project.codes(DATABASE_URL="postgres://u@127.0.0.1:1/app")[1][0] == "BC110"


def test_raw_env_counts_as_environment(project: Project):
    """The checks see what the workers would see."""
    project.write("bootcheck.conf.py", CONFIG.replace("arm(", 'raw_env = ["NEEDED=x"]\narm('))

    assert project.codes() == (0, [])


def test_arguments_for_gunicorn_in_the_environment_count(project: Project):
    """GUNICORN_CMD_ARGS is read as Gunicorn reads it."""
    assert project.codes(GUNICORN_CMD_ARGS="-e NEEDED=x") == (0, [])


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("raise RuntimeError('in the import')", "BC501"),
        ("import no_such_module_anywhere", "BC501"),
        ("import sys\nsys.exit(0)", "BC503"),
        ("other = None", "BC502"),
        ("import os\nos._exit(5)", "BC504"),
        ("import ctypes\nctypes.string_at(0)", "BC509"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "BC506"),
    ],
)
def test_an_app_that_cannot_be_loaded_is_told_with_the_code_of_its_death(project: Project, source: str, code: str):
    """The child in which it is loaded takes the blow; the command tells."""
    project.write("app.py", source)

    assert project.codes(NEEDED="x") == (1, [code])


def test_a_missing_app_module_is_told(project: Project):
    """The module named on the command line wins over the configuration's."""
    assert project.codes("nowhere:app", NEEDED="x") == (1, ["BC502"])


def test_an_app_that_hangs_is_ended_and_told_with_its_stack(project: Project):
    """The stack names the function that never returns."""
    project.write("app.py", "import time\ndef wait_for_ever():\n    time.sleep(3600)\nwait_for_ever()\n")
    done = project.check("--timeout", "1", "--format", "json", NEEDED="x")

    (finding,) = findings(json.loads(done.stdout))
    assert finding["code"] == "BC511"
    assert any("wait_for_ever" in item["text"] for item in finding["evidence"])


def test_a_crash_is_told_with_its_stack(project: Project):
    """The stack that faulthandler wrote is among the evidence."""
    project.write("app.py", "import ctypes\ndef into_native_code():\n    ctypes.string_at(0)\ninto_native_code()\n")
    done = project.check("--format", "json", NEEDED="x")

    (finding,) = findings(json.loads(done.stdout))
    assert any("into_native_code" in item["text"] for item in finding["evidence"])


def test_checks_that_need_the_app_are_asked_in_the_child(project: Project):
    """A relationship that does not resolve is found; the database is not initialised."""
    pytest.importorskip("sqlalchemy")
    project.write(
        "models.py",
        "from sqlalchemy.orm import DeclarativeBase, mapped_column, relationship\n"
        "class Base(DeclarativeBase): ...\n"
        "class Post(Base):\n"
        "    __tablename__ = 'post'\n"
        "    id = mapped_column(__import__('sqlalchemy').Integer, primary_key=True)\n"
        "    author = relationship('Nobody')\n",
    )
    project.write("app.py", "import models\n" + HELLO + "def initialise():\n    open('initialised', 'w')\n")
    project.write(
        "bootcheck.conf.py",
        CONFIG.replace('checks.env("NEEDED")', 'checks.models(), checks.initialise("app:initialise")'),
    )

    assert project.codes() == (1, ["BC301"])
    assert not (project.home / "initialised").exists()


def test_without_the_app_only_the_preflight_is_asked(project: Project):
    """`--no-app` imports nothing of the app."""
    project.write("app.py", "open('imported', 'w')")

    assert project.codes("--no-app", NEEDED="x") == (0, [])
    assert not (project.home / "imported").exists()


@pytest.mark.parametrize(
    "config",
    [
        "import no_such_module",
        "def (",
        "workers = 'many'",
        "import sys; sys.exit(9)",
        "from bootcheck import arm; arm(globals(), checks=[1])",
    ],
)
def test_a_configuration_that_cannot_be_read_is_2(project: Project, config: str):
    """The complaint goes to stderr, names the file, and is no traceback of ours."""
    project.write("bootcheck.conf.py", config)
    done = project.check()

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("bootcheck: ")
    assert "cli/check.py" not in done.stderr


def test_a_missing_configuration_file_is_2(project: Project):
    """A named file must be there."""
    done = project.check("-c", "nowhere.py")

    assert done.returncode == 2
    assert "nowhere.py" in done.stderr


def test_a_warning_alone_is_0_unless_asked_otherwise(project: Project):
    """`--fail-on warning` makes it 1."""
    environ = {"NEEDED": "trailing newline\n"}

    assert project.codes(**environ) == (0, ["BC106"])
    assert project.codes("--fail-on", "warning", **environ) == (1, ["BC106"])


def test_junit_and_github_are_what_their_readers_expect(project: Project):
    """A failed test case; an annotation of an error."""
    suites = ET.fromstring(project.check("--format", "junit").stdout)
    assert [case for case in suites.iter("testcase") if case.find("failure") is not None]

    assert project.check("--format", "github").stdout.startswith("::error")


def test_an_unknown_variable_of_bootcheck_is_2(project: Project):
    """As a server would refuse it."""
    done = project.check(BOOTCHECK_LOGG="off")

    assert done.returncode == 2
    assert "BOOTCHECK_LOG" in done.stderr


def test_a_secret_is_in_no_output(project: Project):
    """Neither in a finding nor in a traceback of the app."""
    secret = "s3cr3t-0f-the-test-suite"
    project.write("app.py", "import os\nraise RuntimeError('cannot log in with ' + os.environ['DB_PASSWORD'])")

    for words in ((), ("--format", "json"), ("--verbose",)):
        done = project.check(*words, NEEDED="x", DB_PASSWORD=secret)
        assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "how", ["print('noise')", "import os; os.write(1, b'noise')", "import os; os.system('echo noise')"]
)
def test_what_the_configuration_prints_is_not_in_the_findings(project: Project, how: str):
    """Machines read stdout; people see it on stderr."""
    project.write("bootcheck.conf.py", f"{how}\n{CONFIG}")
    done = project.check("--format", "json", NEEDED="x")

    json.loads(done.stdout)
    assert "noise" in done.stderr
