"""Arming: what a configuration file gets, and when nothing at all happens; each in an interpreter of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.children import interpreter

ARM = """
import os, sys
import gunicorn.arbiter
import bootcheck
namespace = {}
bootcheck.arm(namespace)
from bootcheck.gunicorn import arm
print(sorted(namespace), arm.armed() is not None)
"""


def test_an_armed_file_exports_the_way_to_the_arbiter(tmp_path: Path):
    """One name, marked as ours; the journal is gone when the process ends by itself."""
    done = interpreter(ARM, BOOTCHECK_DIR=str(tmp_path))

    assert done.stdout == "['nworkers_changed'] True\n", done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        ((), {"BOOTCHECK_DISABLE": "1", "BOOTCHECK_ENFORCE": "nonsense"}),
        (("--check-config",), {}),
        (("--print-config",), {}),
        ((), {"GUNICORN_CMD_ARGS": "--workers 3 --check-config"}),
    ],
    ids=["disabled", "check", "print", "by variable"],
)
def test_where_nothing_is_to_happen_nothing_does(tmp_path: Path, arguments: tuple[str, ...], environ: dict[str, str]):
    """No file, no line, no hook."""
    place = tmp_path / "reports"
    done = interpreter(ARM, *arguments, BOOTCHECK_DIR=str(place), **environ)

    assert (done.stdout, done.stderr) == ("[] False\n", "")
    assert not place.exists()


def test_a_wrong_variable_ends_the_start_with_78(tmp_path: Path):
    """Every mistake in a line, nothing created."""
    place = tmp_path / "reports"
    done = interpreter(ARM, BOOTCHECK_DIR=str(place), BOOTCHECK_ENFORCE="al", BOOTCHECK_LOGS="x")

    assert done.returncode == 78
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["bootcheck:"] * 2
    assert "Did you mean all?" in done.stderr
    assert "Did you mean BOOTCHECK_LOG?" in done.stderr
    assert not place.exists()


def test_what_is_no_check_is_refused_where_it_is_written(tmp_path: Path):
    """A name instead of a call is the usual slip."""
    done = interpreter("import bootcheck\nbootcheck.arm({}, checks=['env'])", BOOTCHECK_DIR=str(tmp_path))

    assert done.returncode == 1
    assert "holds 'env', which is no check. Write for example checks.env('SECRET_KEY')." in done.stderr


@pytest.mark.parametrize("wrong", ["{'app.load': 0}", "{'app.load': 'soon'}", "{'app.load': True}", "{3: 4}"])
def test_a_deadline_that_is_none_is_refused_where_it_is_written(tmp_path: Path, wrong: str):
    """A name and seconds."""
    done = interpreter(f"import bootcheck\nbootcheck.arm({{}}, deadlines={wrong})", BOOTCHECK_DIR=str(tmp_path))

    assert done.returncode == 1
    assert "Write names of steps and seconds: deadlines={'app.load': 90}." in done.stderr


@pytest.mark.parametrize("wrong", ["'yes'", "-1", "float('nan')"])
def test_a_safe_reload_that_is_none_is_refused_where_it_is_written(tmp_path: Path, wrong: str):
    """True, False, or seconds."""
    done = interpreter(f"import bootcheck\nbootcheck.arm({{}}, safe_reload={wrong})", BOOTCHECK_DIR=str(tmp_path))

    assert done.returncode == 1
    assert "Write safe_reload=True" in done.stderr


def test_arming_twice_is_arming_once(tmp_path: Path):
    """A reload executes the file again: same master, the user's hook of the new file chained."""
    code = (
        ARM
        + """
first = arm.armed()
calls = []
def nworkers_changed(server, new, old):
    calls.append(new)
again = {"nworkers_changed": nworkers_changed}
bootcheck.arm(again)
kept = again["nworkers_changed"]
print(arm.armed() is first, kept is not nworkers_changed, kept.bootcheck_owned)
bootcheck.arm(again)
print(again["nworkers_changed"] is kept)
"""
    )
    done = interpreter(code, BOOTCHECK_DIR=str(tmp_path))

    assert done.stdout.splitlines()[1:] == ["True True True", "True"], done.stderr


def test_a_fault_of_ours_lets_the_server_start(tmp_path: Path):
    """Said once; no hook is left behind that could fail later."""
    code = ARM.replace("namespace = {}", "namespace = {}\nimport bootcheck.gunicorn.master as m\nm.Master.arm = None")
    done = interpreter(code, BOOTCHECK_DIR=str(tmp_path))

    assert done.returncode == 0
    assert done.stdout == "[] False\n"
    assert "arming failed (TypeError" in done.stderr
    assert "the server goes on" in done.stderr


CONF = """
import gunicorn.arbiter
import bootcheck.conf as conf
print(getattr(conf, "workers", None), conf.nworkers_changed.bootcheck_owned)
"""


def test_the_zero_file_configuration_takes_the_project_file_over(tmp_path: Path):
    """Its settings and its hooks; it says so."""
    (tmp_path / "gunicorn.conf.py").write_text("import os\nworkers = 5\ndef when_ready(server): pass\n")
    done = interpreter(CONF + "\nprint(conf.when_ready)", cwd=tmp_path, BOOTCHECK_DIR=str(tmp_path / "reports"))

    assert done.stdout.startswith("5 True\n<function when_ready"), done.stderr
    assert f"bootcheck: taking the settings of {tmp_path}/gunicorn.conf.py" in done.stderr


def test_a_project_file_that_arms_itself_keeps_its_checks(tmp_path: Path):
    """Armed once, by the file."""
    (tmp_path / "gunicorn.conf.py").write_text(
        "import bootcheck\nfrom bootcheck import checks\nbootcheck.arm(globals(), checks=[checks.env('SECRET_KEY')])\n"
    )
    code = CONF + "\nfrom bootcheck.gunicorn import arm\nprint(len(arm.armed().declared))"
    done = interpreter(code, cwd=tmp_path, BOOTCHECK_DIR=str(tmp_path / "reports"))

    assert done.stdout == "None True\n1\n", done.stderr


def test_without_a_project_file_there_are_the_defaults(tmp_path: Path):
    """And nothing is said about one."""
    done = interpreter(CONF, cwd=tmp_path, BOOTCHECK_DIR=str(tmp_path / "reports"))

    assert done.stdout == "None True\n", done.stderr
    assert "taking the settings" not in done.stderr
