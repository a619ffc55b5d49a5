"""`bootcheck init`: a configuration file for the project at hand."""

from __future__ import annotations

import ast
import os
import shlex
import stat
from pathlib import Path
from typing import Any

import pytest

from bootcheck.cli import main
from bootcheck.cli.init import is_target, worker_class

FLASK = """
import os
from flask import Flask

app = Flask(__name__)
app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
app.config["SMTP_HOST"] = os.environ["SMTP_HOST"]
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL", "sqlite://")
DEBUG = os.getenv("APP_DEBUG")
HOME = os.environ["HOME"]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a Flask app."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wsgi.py").write_text(FLASK)
    return tmp_path


def calls_of(text: str) -> list[str]:
    """Return the calls in the list of checks, as source."""
    tree = ast.parse(text)
    (lists,) = [node.value for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)]
    return [ast.unparse(item) for item in lists.elts]


def test_the_file_declares_what_the_code_needs(project: Path, capsys: pytest.CaptureFixture[str]):
    """Required variables, secrets with a length, the database, optional variables; nothing of the system's."""
    assert main(["init"]) == 0

    text = (project / "bootcheck.conf.py").read_text()
    assert 'wsgi_app = "wsgi:app"' in text
    assert calls_of(text) == [
        "checks.env('SECRET_KEY', secret=True, min_length=32)",
        "checks.env('SMTP_HOST')",
        "checks.database_url('DATABASE_URL')",
        "checks.database('DATABASE_URL')",
        "checks.env('APP_DEBUG', required=False)",
    ]
    assert "bootcheck check -c bootcheck.conf.py" in capsys.readouterr().out


def test_the_file_arms_when_gunicorn_reads_it(project: Path, monkeypatch: pytest.MonkeyPatch):
    """It ends with the call of `arm`, with its own namespace and its checks."""
    armed: list[Any] = []
    monkeypatch.setattr("bootcheck.arm", lambda namespace, **options: armed.append((namespace, options)), raising=False)
    main(["init"])
    namespace: dict[str, Any] = {"__file__": str(project / "bootcheck.conf.py")}

    exec(compile((project / "bootcheck.conf.py").read_text(), "bootcheck.conf.py", "exec"), namespace)

    ((passed, options),) = armed
    assert passed is namespace
    assert options["checks"][0].subject == "SECRET_KEY (secret)"


def test_an_existing_file_is_left_alone(project: Path, capsys: pytest.CaptureFixture[str]):
    """Without --force it ends with 2 and says how to go on."""
    (project / "bootcheck.conf.py").write_text("mine = True\n")

    assert main(["init"]) == 2
    assert (project / "bootcheck.conf.py").read_text() == "mine = True\n"
    assert "--force" in capsys.readouterr().err

    assert main(["init", "--force"]) == 0
    assert "arm(" in (project / "bootcheck.conf.py").read_text()


def test_a_link_is_not_written_through_unless_forced(project: Path):
    """A link to a file that does not exist counts as a file that exists."""
    (project / "bootcheck.conf.py").symlink_to(project / "elsewhere.py")

    assert main(["init"]) == 2
    assert not (project / "elsewhere.py").exists()


def test_a_directory_that_cannot_be_written_is_said(project: Path, capsys: pytest.CaptureFixture[str]):
    """The exit code is 2 and the next step is named."""
    assert main(["init", "-o", "missing/bootcheck.conf.py"]) == 2

    assert "No such file or directory" in capsys.readouterr().err


def test_standard_output_gets_the_file_alone(project: Path, capsys: pytest.CaptureFixture[str]):
    """With `-o -` nothing is written, and nothing else is printed."""
    assert main(["init", "-o", "-"]) == 0

    ast.parse(capsys.readouterr().out)
    assert not (project / "bootcheck.conf.py").exists()


def test_an_existing_gunicorn_configuration_stays_in_force(project: Path):
    """The new file reads it first."""
    (project / "gunicorn.conf.py").write_text("workers = 7\n")
    main(["init"])
    text = (project / "bootcheck.conf.py").read_text().replace("arm(globals(), checks=CHECKS)", "")
    namespace: dict[str, Any] = {"__file__": str(project / "bootcheck.conf.py")}

    exec(compile(text, "bootcheck.conf.py", "exec"), namespace)

    assert namespace["workers"] == 7
    assert namespace["wsgi_app"] == "wsgi:app"


def test_an_asgi_app_gets_a_worker_class_that_speaks_asgi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The one that is installed here."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n")

    main(["init"])

    assert f'worker_class = "{worker_class()}"' in (tmp_path / "bootcheck.conf.py").read_text()


def test_an_empty_directory_gets_a_file_to_fill_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """It says that no app was found; the file is valid all the same."""
    monkeypatch.chdir(tmp_path)

    assert main(["init"]) == 0

    assert calls_of((tmp_path / "bootcheck.conf.py").read_text()) == []
    assert "not found" in capsys.readouterr().out


def test_the_app_can_be_named(project: Path):
    """A name on the command line wins over the guess."""
    main(["init", "--app", "shop:create_app()"])

    assert 'wsgi_app = "shop:create_app()"' in (project / "bootcheck.conf.py").read_text()


def test_migrations_and_configuration_classes_are_offered(project: Path):
    """Migrations are declared; classes are offered as a comment, the most derived first."""
    (project / "alembic.ini").write_text("")
    (project / "config.py").write_text("class BasicConfig: ...\nclass ProductionConfig(BasicConfig): ...\n")
    main(["init"])
    text = (project / "bootcheck.conf.py").read_text()

    assert any(call.startswith("checks.migrations(") for call in calls_of(text))
    assert '# checks.config_classes("config:ProductionConfig", "config:BasicConfig"),' in text


def test_a_file_that_cannot_be_parsed_is_named(project: Path, capsys: pytest.CaptureFixture[str]):
    """The others are used; the complaint goes to stderr."""
    (project / "broken.py").write_text("def broken(:\n")

    assert main(["init"]) == 0

    assert "broken.py" in capsys.readouterr().err


def test_the_new_file_is_an_ordinary_one(project: Path):
    """It may be read by all, as far as the umask lets, and run by nobody."""
    before = os.umask(0o022)
    try:
        main(["init"])
    finally:
        os.umask(before)

    assert stat.S_IMODE((project / "bootcheck.conf.py").stat().st_mode) == 0o644


def test_the_command_to_start_can_be_typed(project: Path, capsys: pytest.CaptureFixture[str]):
    """A shell would take the brackets of a factory for its own."""
    assert main(["init", "--app", "wsgi:create_app('x \\\" y')", "-o", "my conf.py"]) == 0

    told = capsys.readouterr().out.splitlines()
    assert shlex.split(told[-1]) == ["gunicorn", "-c", "my conf.py", "wsgi:create_app('x \\\" y')"]
    assert "bootcheck check -c 'my conf.py'" in "\n".join(told)
    tree = ast.parse((project / "my conf.py").read_text())
    values = [node.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "wsgi_app"]
    assert ast.literal_eval(values[0]) == "wsgi:create_app('x \\\" y')"


@pytest.mark.parametrize("app", ['x"y', "wsgi:", "wsgi:a b", "my-app:app", "", "wsgi:app.run", "wsgi:f(", "a:f(\n)"])
def test_what_names_no_app_is_refused(app: str, project: Path, capsys: pytest.CaptureFixture[str]):
    """Nothing is written."""
    assert main(["init", "--app", app]) == 2
    assert "names no app" in capsys.readouterr().err
    assert not (project / "bootcheck.conf.py").exists()


@pytest.mark.parametrize("app", ["wsgi", "shop.wsgi:app", "shop:create_app()", "shop:make(debug=True)"])
def test_what_gunicorn_reads_as_an_app(app: str):
    """A module, an attribute of it, a call."""
    assert is_target(app)
