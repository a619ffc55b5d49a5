"""Imports: what each costs, and which of the ways to fail it was."""

from __future__ import annotations

import importlib
import itertools
import os
import sys
from pathlib import Path

import pytest

from bootcheck.checks.base import Moment
from bootcheck.checks.imports import Imports, imports
from bootcheck.checks.packages import pip_line
from bootcheck.model.errors import CheckOptionError
from bootcheck.model.finding import Severity
from bootcheck.testing import Outcome, run_check

_numbers = itertools.count()

MODULES = {
    "good": "data = bytearray(1000)\nimport {package}.other\n",
    "other": "",
    "transitive": "import json\nimport bctest_yaml_is_absent\n",
    "known": "import {package}.known2\n",
    "known2": "import cv2_bctest_absent.sub\n",
    "names": "from json import nothing_of_this_name\n",
    "circle": "from {package} import circle2\n",
    "circle2": "from {package}.circle import nothing\n",
    "library": "raise ImportError('libGL.so.1: cannot open shared object file: No such file')\n",
    "broken": "def f(:\n",
    "raises": "raise ValueError('postgresql://u:hunter2@h/d')\n",
    "leaves": "import sys\nsys.exit(1)\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a name that no other test has, in the working directory."""
    name = f"bctest_package_{next(_numbers)}"
    folder = tmp_path / name
    folder.mkdir()
    folder.joinpath("__init__.py").write_text("", encoding="utf-8")
    for module, source in MODULES.items():
        folder.joinpath(f"{module}.py").write_text(source.replace("{package}", name), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    importlib.invalidate_caches()
    yield name
    for loaded in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[loaded]


def test_each_import_is_measured(package):
    """Time, memory and the number of modules that came with it are on its checkpoint."""
    result = run_check(imports(f"{package}.good", "json"))

    assert result
    point = next(
        point
        for point in result.checkpoints
        if point.name == f"imports.{package}.good" and point.outcome is Outcome.PASSED
    )
    assert point.duration_ms is not None
    assert point.detail["modules"] == 3
    assert point.detail["rss_growth_bytes"] >= 0
    assert result.outcome("imports.json") is Outcome.PASSED


def test_one_failure_does_not_stop_the_others(package):
    """Every module is tried, and each failure is a finding."""
    result = run_check(imports(f"{package}.raises", f"{package}.good", f"{package}.broken"))

    assert result.codes == ("BC130", "BC130")
    assert result.outcome(f"imports.{package}.raises") is Outcome.FAILED
    assert result.outcome(f"imports.{package}.good") is Outcome.PASSED
    assert "hunter2" not in str([finding.as_dict() for finding in result.findings])


@pytest.mark.parametrize(
    ("module", "summary", "action"),
    [
        ("transitive", "is there, but imports bctest_yaml_is_absent", "pip install bctest-yaml-is-absent"),
        ("known", "is there, but imports cv2_bctest_absent", "pip install cv2-bctest-absent"),
        ("names", "a name or a library", "Compare the installed version of json"),
        ("circle", "a name or a library", "Two modules import each other"),
        ("library", "a name or a library", "libGL.so.1"),
        ("broken", "raises SyntaxError", "Correct that line of broken.py."),
        ("leaves", "ends the process", "__main__"),
        ("goood", "has no module goood", "Did you mean {package}.good?"),
        ("zzzzzzzz", "has no module zzzzzzzz", "holds:"),
    ],
)
def test_ways_to_fail(package, module, summary, action):
    """A missing module, one that it needs, a wrong version, a circle and a fault of its own are told apart."""
    (found,) = run_check(imports(f"{package}.{module}")).findings

    assert found.code == "BC130"
    assert summary in found.summary
    assert action.replace("{package}", package) in " ".join(found.action)


def test_the_place_of_the_failing_import_is_evidence(package):
    """The file and line that could not go on are named, not the import machinery."""
    (found,) = run_check(imports(f"{package}.transitive")).findings

    assert found.evidence[0].source.endswith("transitive.py")
    assert found.evidence[0].line == 2
    assert sys.executable in found.evidence[1].text


def test_a_module_that_is_nowhere(package):
    """Its package is named by its own name, and the working directory is thought of."""
    (found,) = run_check(imports("bctest_nowhere.deep.inside")).findings

    assert "no module bctest_nowhere is installed" in found.summary
    assert "pip install bctest-nowhere" in found.action
    assert "pythonpath" in found.action[-1]


def test_a_misspelt_module(package):
    """The installed one that was probably meant comes first."""
    (found,) = run_check(imports("pytset")).findings

    assert found.action[0] == "Did you mean pytest?"


@pytest.mark.parametrize(
    ("missing", "readable", "words"),
    [
        ("telnetlib", True, "pip install standard-telnetlib"),
        ("distutils", True, "pip install setuptools"),
        ("sqlite3", True, "built without it"),
        ("sqlite3", False, "may not read"),
    ],
)
def test_a_part_of_python_is_missing(package, monkeypatch, missing, readable, words):
    """Removed modules, ones that were not built and a library that the user may not read are told apart."""
    source = f"raise ModuleNotFoundError('No module named {missing}', name='{missing}')"
    Path(package, "part.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(os, "access", lambda *_: readable)
    (found,) = run_check(imports(f"{package}.part")).findings

    assert f"imports {missing}, which is not installed" in found.summary
    assert words in " ".join(found.action)


def test_a_failure_may_be_a_warning(package):
    """What the app can do without does not stop it."""
    (found,) = run_check(imports("bctest_nowhere", required=False)).findings

    assert found.severity is Severity.WARNING


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("yaml", "pip install PyYAML"),
        ("PIL.Image", "pip install pillow"),
        ("google.cloud.storage.client", "pip install google-cloud-storage"),
        ("psycopg", 'pip install "psycopg[binary]"'),
        ("some_thing.sub", "pip install some-thing"),
    ],
)
def test_pip_lines(module, line):
    """Packages with another name than their module are known."""
    assert pip_line(module) == line


@pytest.mark.parametrize(
    ("modules", "options", "match"),
    [
        ((), {}, "modules is empty"),
        (("a-b",), {}, "not a module's name"),
        (("a", "a"), {}, "twice"),
        (("a",), {"required": None}, "True or False"),
        (("a",), {"seconds": -1}, "seconds"),
    ],
)
def test_options_are_validated(modules, options, match):
    """What could never be imported is refused where it is written."""
    with pytest.raises(CheckOptionError, match=match):
        imports(*modules, **options)


def test_it_runs_in_the_preflight():
    """Importing is nothing for the master."""
    assert Imports.moment is Moment.PREFLIGHT
    assert imports("a", seconds=3).budget == 3
    assert imports("a", "b").subject == "a, b"


def test_a_file_that_nothing_of_has_run_is_named(package, tmp_path):
    """Python has no frame of it: neither where the syntax is wrong nor where an editor wrote UTF-16."""
    (wrong,) = run_check(imports(f"{package}.broken")).findings
    assert (wrong.evidence[0].source, wrong.evidence[0].line) == (str(tmp_path / package / "broken.py"), 1)

    file = tmp_path / package / "good.py"
    file.write_text("data = 1\n", encoding="utf-16")
    (odd,) = run_check(imports(f"{package}.good")).findings
    assert odd.evidence[0].source == str(file)
    assert odd.action == ("Save the file as UTF-8: an editor wrote it as UTF-16, or the copy of it is damaged.",)
