"""Configuration classes: which one loaded, why the others did not, and what the loaded one lacks."""

from __future__ import annotations

import importlib
import itertools
import sys

import pytest

from bootcheck.checks.base import Moment
from bootcheck.checks.config_classes import ConfigClasses, config_classes
from bootcheck.model.errors import CheckOptionError
from bootcheck.model.finding import Severity
from bootcheck.testing import Outcome, run_check

_numbers = itertools.count()

SOURCE = """
import os

class Render:
    URL = os.environ["RENDER_URL_THAT_IS_NOT_SET"] if __name__ == "never" else "x"

class Production:
    SECRET_KEY = "kept to itself"
    DEBUG = False
    EMPTY = "  "
    NOTHING = None
    LIST = []
    SECRETKEY = "x"

class Checked:
    def __init__(self):
        self.SECRET_KEY = os.environ["BCTEST_UNSET_VARIABLE"]

class Made:
    def __init__(self, name="made"):
        self.NAME = name

class Needs:
    NAME = "class"
    def __init__(self, argument):
        raise RuntimeError(argument)

class Raises:
    def __init__(self):
        raise RuntimeError("no connection to postgresql://u:hunter2@h/d")

class Leaves:
    def __init__(self):
        raise SystemExit(3)

class Odd:
    @property
    def BROKEN(self):
        raise ZeroDivisionError
    def __init__(self):
        pass

mapping = {"A": 1, "B": ""}
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of configuration classes with a name that no other test has, in the working directory."""
    name = f"bctest_config_{next(_numbers)}"
    tmp_path.joinpath(f"{name}.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    importlib.invalidate_caches()
    yield name
    sys.modules.pop(name, None)


def test_the_first_class_that_loads_is_taken(module):
    """Later ones are not touched, and a checkpoint says so."""
    result = run_check(config_classes(f"{module}:Production", f"{module}:Nowhere"))

    assert result
    assert result.outcome(f"config_classes.{module}.Production") is Outcome.PASSED
    assert result.outcome(f"config_classes.{module}.Nowhere") is Outcome.SKIPPED


def test_a_fallback_says_why_each_earlier_one_failed(module):
    """The class in use and the exception of each other are named, with the line that raised it."""
    result = run_check(config_classes("bctest_absent:Config", f"{module}:Checked", f"{module}:Production"))

    (found,) = result.findings
    assert (found.code, found.severity) == ("BC120", Severity.WARNING)
    assert f"{module}:Production is in use" in found.summary
    assert "ModuleNotFoundError" in found.evidence[0].text
    assert "KeyError" in found.evidence[1].text
    assert found.evidence[1].source.endswith(f"{module}.py")
    assert found.evidence[1].line == SOURCE[: SOURCE.index('os.environ["BCTEST')].count("\n") + 1
    assert result.outcome("config_classes.bctest_absent.Config") is Outcome.FAILED
    assert result.outcome(f"config_classes.{module}.Checked") is Outcome.FAILED


@pytest.mark.parametrize(("fallback", "severity"), [("info", Severity.INFO), ("error", Severity.ERROR)])
def test_a_fallback_may_be_intended_or_forbidden(module, fallback, severity):
    """The user says what falling back is."""
    result = run_check(config_classes("bctest_absent:A", f"{module}:Production", fallback=fallback))

    assert [finding.severity for finding in result.findings] == [severity]


def test_none_could_be_loaded(module):
    """It is an error that names each reason and what to do about it."""
    result = run_check(
        config_classes("bctest_absent:A", f"{module}:Producton", f"{module}:Checked", f"{module}:Leaves")
    )

    (found,) = result.findings
    assert (found.code, found.severity) == ("BC120", Severity.ERROR)
    advice = " ".join(found.action)
    assert "There is no module bctest_absent" in advice
    assert f"Did you mean {module}:Production?" in advice
    assert "reads BCTEST_UNSET_VARIABLE" in advice
    assert [item.text.split(": ")[1] for item in found.evidence] == [
        "ModuleNotFoundError",
        "AttributeError",
        "KeyError",
        "SystemExit",
    ]


def test_the_text_of_an_exception_is_masked(module):
    """A password in what a class raises does not reach the finding."""
    (found,) = run_check(config_classes(f"{module}:Raises")).findings

    assert "RuntimeError" in found.evidence[0].text
    assert "hunter2" not in str(found.as_dict())


def test_required_settings(module):
    """Each is a checkpoint; missing and empty ones are told apart, False is a value, nothing is shown."""
    settings = ["SECRET_KEY", "DEBUG", "EMPTY", "NOTHING", "LIST", "SECRET_KEYS"]
    result = run_check(config_classes(f"{module}:Production", required_settings=settings))

    assert result.codes == ("BC123",) * 4
    point = f"config_classes.{module}.Production"
    assert result.outcome(f"{point}.SECRET_KEY") is Outcome.PASSED
    assert result.outcome(f"{point}.DEBUG") is Outcome.PASSED
    for setting in settings[2:]:
        assert result.outcome(f"{point}.{setting}") is Outcome.FAILED
    assert (
        "SECRETKEY is: a misspelling?" in result.findings[-1].summary or "SECRET_KEY is" in result.findings[-1].summary
    )
    assert "kept to itself" not in str([finding.as_dict() for finding in result.findings])


def test_classes_with_an_init_of_their_own_are_called(module):
    """Values that exist on the instance alone are found; a class that needs arguments stays a class."""
    assert run_check(config_classes(f"{module}:Made", required_settings=["NAME"]))
    assert run_check(config_classes(f"{module}:Needs", required_settings=["NAME"]))
    assert run_check(config_classes(f"{module}:Made", required_settings=["NAME"], instantiate=False)).codes == (
        "BC123",
    )
    assert run_check(config_classes(f"{module}:Needs", instantiate=True)).codes == ("BC120",)


def test_mappings_and_broken_properties(module):
    """A dict is a configuration too, and a property that raises counts as missing."""
    assert run_check(config_classes(f"{module}:mapping", required_settings=["A"]))
    assert run_check(config_classes(f"{module}:mapping", required_settings=["B", "C"])).codes == ("BC123", "BC123")
    assert run_check(config_classes(f"{module}:Odd", required_settings=["BROKEN"])).codes == ("BC123",)


@pytest.mark.parametrize(
    ("targets", "options", "match"),
    [
        ((), {}, "targets is empty"),
        (("config",), {}, "module:Class"),
        (("config:",), {}, "module:Class"),
        (("config:a.b",), {}, "module:Class"),
        ((":A",), {}, "module's name"),
        (("a-b:A",), {}, "module's name"),
        (("a:A", "a:A"), {}, "twice"),
        (("a:A",), {"required_settings": "SECRET_KEY"}, "not a list"),
        (("a:A",), {"fallback": "warn"}, "Did you mean 'warning'"),
        (("a:A",), {"seconds": 0}, "seconds"),
    ],
)
def test_options_are_validated(targets, options, match):
    """What could never be loaded is refused where it is written."""
    with pytest.raises(CheckOptionError, match=match):
        config_classes(*targets, **options)


def test_it_runs_in_the_preflight():
    """Importing an app's modules is nothing for the master."""
    assert ConfigClasses.moment is Moment.PREFLIGHT
    assert config_classes("a:A", seconds=3).budget == 3
    assert config_classes("a:A", "b:B").subject == "a:A, b:B"
