"""Which checks a start runs, and which of them count."""

from __future__ import annotations

import pytest

from bootcheck import checks
from bootcheck.checks.base import Context, Server, run
from bootcheck.checks.planning import plan
from bootcheck.recorder import Recorder
from bootcheck.settings import Settings
from tests.unit.children import interpreter


def told(planned: list) -> list[tuple[str, str, bool]]:
    """Return name, subject and declared of each check."""
    return [(item.check.name, item.check.subject, item.declared) for item in planned]


def test_declared_checks_count_and_discovered_ones_do_not():
    """A discovered twin of a declared check is left out."""
    environ = {"SECRET_KEY": "x" * 40, "DATABASE_URL": "sqlite://"}
    planned = told(plan([checks.database_url("DATABASE_URL")], Settings(), environ, Server()))

    assert ("database_url", "DATABASE_URL", True) in planned
    assert ("env", "SECRET_KEY (secret)", False) in planned
    assert len([item for item in planned if item[0] == "database_url"]) == 1


def test_with_all_everything_counts():
    """`BOOTCHECK_ENFORCE=all` makes discovered checks declared ones."""
    planned = plan([], Settings(enforce="all"), {"SECRET_KEY": "x"}, Server())

    assert planned
    assert all(item.declared for item in planned)


def test_required_variables_are_declared_once():
    """One that is declared already, whatever else is asked of it, is not asked twice."""
    settings = Settings(require_env=("SECRET_KEY", "API_HOST"))
    planned = told(plan([checks.env("SECRET_KEY", secret=True)], settings, {}, Server()))

    assert [item for item in planned if item[0] == "env"] == [
        ("env", "SECRET_KEY (secret)", True),
        ("env", "API_HOST", True),
    ]


@pytest.mark.parametrize(
    ("declared", "stops"),
    [
        ((), False),
        ((checks.database(),), True),
        ((checks.database_url(),), True),
        ((checks.database_url(), checks.database()), True),
    ],
)
def test_a_url_that_cannot_be_read_is_told_once(declared: tuple, stops: bool):
    """Two checks look at it; whoever of them was declared, the one finding counts."""
    environ = {"DATABASE_URL": "postgres//app@db/app"}
    planned = plan(declared, Settings(), environ, Server())
    findings = run(planned, Context(environ=environ, recorder=Recorder()))

    assert [finding.code for finding in findings].count("BC111") == 1
    assert [finding.declared for finding in findings if finding.code == "BC111"] == [stops]


def test_checks_run_in_the_order_of_the_list():
    """Whatever the order of declaration: environment before database, for the cause comes first."""
    declared = [checks.initialise("app:init"), checks.database("DATABASE_URL"), checks.env("B"), checks.env("A")]
    names = [item.check.name for item in plan(declared, Settings(), {}, Server()) if item.declared]

    assert names == ["env", "env", "database", "initialise"]


@pytest.mark.parametrize(
    "first", ["import bootcheck.checks.env", "from bootcheck.checks.env import Env", "import bootcheck.checks.planning"]
)
def test_the_name_of_a_check_is_its_function_whoever_imports_its_module_first(first: str):
    """An import binds a submodule in its package under its name; users of `checks.env` mean the function."""
    code = f"{first}\nfrom bootcheck import checks\nchecks.env('A')\nfrom bootcheck.checks import env\nenv('A')"
    done = interpreter(code)

    assert done.returncode == 0, done.stderr


def test_an_unknown_check_is_refused_with_the_known_ones():
    """A misspelt name in a configuration file shows itself."""
    with pytest.raises(AttributeError, match=r"'envv'; the checks are env, database_url"):
        _ = checks.envv
