"""Variables: every fact is a checkpoint that turns red when its subject breaks, and no value is ever shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.checks.base import Moment
from bootcheck.checks.env import Env, discover, env
from bootcheck.model.errors import CheckOptionError
from bootcheck.model.finding import Severity
from bootcheck.testing import Outcome, Result, Server, Source, run_check

GOOD = "kX9v2Lq7Zt4mB8nR5wY1cD6fH3jP0sGa"


def everything(result: Result) -> str:
    """Return all that a run says, as one text."""
    findings = [finding.as_dict() for finding in result.findings]
    return json.dumps([findings, [point.as_record() for point in result.checkpoints]], ensure_ascii=False)


def test_a_good_secret_passes_every_point():
    """All eight facts of a secret are checkpoints of their own."""
    result = run_check(env("SECRET_KEY", secret=True, min_length=32), {"SECRET_KEY": GOOD})

    assert result
    names = {point.name for point in result.checkpoints if point.outcome is Outcome.PASSED}
    facts = ("present", "source", "not_empty", "trimmed", "kind", "length", "placeholder", "entropy")
    assert names == {"check.env", *(f"env.SECRET_KEY.{fact}" for fact in facts)}
    assert GOOD not in everything(result)


def test_a_missing_variable():
    """It is an error that says where to set it, and for a secret how to make one."""
    result = run_check(env("SECRET_KEY", secret=True), {"PATH": "/bin"})

    assert result.codes == ("BC101",)
    assert result.findings[0].severity is Severity.ERROR
    assert result.outcome("env.SECRET_KEY.present") is Outcome.FAILED
    assert "secrets.token_urlsafe" in " ".join(result.findings[0].action)


def test_a_near_miss_is_named():
    """The similar name is offered, its value is not shown."""
    result = run_check(env("SECRET_KEY"), {"SECRET_KYE": GOOD, "SECRETKEY": "zzz-other", "HOME": "/"})

    assert "SECRETKEY is: a misspelling?" in result.findings[0].summary
    assert "SECRET_KYE" in result.findings[0].evidence[1].text
    assert GOOD not in everything(result)
    assert "zzz-other" not in everything(result)


@pytest.mark.parametrize("value", ["", "  ", "\n"])
def test_an_empty_variable(value):
    """White space alone is as good as nothing."""
    result = run_check(env("TOKEN"), {"TOKEN": value})

    assert result.codes == ("BC102",)
    assert result.outcome("env.TOKEN.present") is Outcome.PASSED
    assert result.outcome("env.TOKEN.not_empty") is Outcome.FAILED


def test_an_optional_variable_is_listed_as_set_or_not():
    """What is optional may be absent or empty, and a checkpoint says which."""
    assert run_check(env("DSN", required=False), {}).outcome("env.DSN.present") is Outcome.SKIPPED
    assert run_check(env("DSN", required=False), {"DSN": ""}).outcome("env.DSN.not_empty") is Outcome.SKIPPED
    assert run_check(env("DSN", required=False), {"DSN": "x"}).outcome("env.DSN.not_empty") is Outcome.PASSED
    assert run_check(env("DSN", required=False, kind="url"), {"DSN": "x"}).codes == ("BC106",)


@pytest.mark.parametrize(
    ("value", "code", "point"),
    [
        (GOOD[:31], "BC103", "length"),
        ("changeme" * 5, "BC104", "placeholder"),
        ("django-insecure-" + GOOD, "BC104", "placeholder"),
        ("ab" * 20, "BC105", "entropy"),
    ],
)
def test_a_weak_secret(value, code, point):
    """Short, famous and repetitive secrets are told apart, and none is shown."""
    result = run_check(env("SECRET_KEY", secret=True, min_length=32), {"SECRET_KEY": value})

    assert result.codes == (code,)
    assert result.outcome(f"env.SECRET_KEY.{point}") is Outcome.FAILED
    assert value not in everything(result)


def test_strength_is_not_asked_of_what_is_no_secret():
    """A plain variable may be short and famous, unless a length is required of it."""
    assert run_check(env("NAME"), {"NAME": "dev"})
    assert run_check(env("NAME", min_length=4), {"NAME": "dev"}).codes == ("BC103",)
    assert run_check(env("NAME", min_entropy=5), {"NAME": "aaa"}).codes == ("BC105",)


@pytest.mark.parametrize(
    ("value", "found"), [(GOOD + "\n", "newline"), (" " + GOOD, "white space"), (f'"{GOOD}"', "quotation")]
)
def test_what_does_not_belong_to_a_value(value, found):
    """A newline, white space or quotation marks around a value are a warning."""
    result = run_check(env("TOKEN"), {"TOKEN": value})

    assert result.codes == ("BC106",)
    assert result.findings[0].severity is Severity.WARNING
    assert found in result.findings[0].summary
    assert result.outcome("env.TOKEN.trimmed") is Outcome.FAILED
    assert GOOD not in everything(result)


@pytest.mark.parametrize(
    ("options", "good", "bad"),
    [
        ({"kind": "integer"}, ["0", "-7", "+3", "8080"], ["8.5", "80a", "", "0x1F", "1_000", "٣", "9" * 40]),
        ({"kind": "integer", "minimum": 1, "maximum": 9}, ["1", "9"], ["0", "10", "-1"]),
        ({"kind": "integer", "minimum": 1}, ["1", "10"], ["0"]),
        ({"kind": "integer", "maximum": 9}, ["-1", "9"], ["10"]),
        ({"kind": "choice", "choices": ["dev", "prod"]}, ["dev", "prod"], ["Prod", "pord", "x"]),
        ({"kind": "boolean"}, ["1", "TRUE", "no", "Off"], ["2", "maybe", "tru"]),
        ({"kind": "path"}, ["/var/lib", "relative/x", "/a b"], ["~/x", "$HOME/x", "${HOME}", "https://x/y"]),
        (
            {"kind": "url"},
            ["https://h/p", "redis://:pw@h:6379/0", "sqlite://", "unix:///run/x.sock", "x+y://h"],
            [
                "h/p",
                "//h",
                "http://",
                "http://h:x/",
                "http://h:0/",
                "http://h:99999/",
                "1://h",
                "http://a b",
                "http://[x",
            ],
        ),
        ({"kind": "url", "schemes": ["redis", "rediss://"]}, ["redis://h", "REDISS://h"], ["http://h", "reids://h"]),
        ({"kind": "text"}, ["anything", "ü"], []),
    ],
)
def test_kinds(options, good, bad):
    """Each kind takes what the app could read, and refuses the rest with something to do."""
    check = env("VALUE", **options)
    for value in good:
        assert run_check(check, {"VALUE": value}), value
    for value in filter(None, bad):
        result = run_check(check, {"VALUE": value})
        assert result.codes == ("BC106",), value
        assert result.findings[0].action
        assert result.outcome("env.VALUE.kind") is Outcome.FAILED


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({}, "a whole number as digits"),
        ({"minimum": 1}, "at least 1"),
        ({"maximum": 9}, "at most 9"),
        ({"minimum": 1, "maximum": 9}, "from 1 to 9"),
    ],
)
def test_the_range_is_said(bounds, words):
    """Whoever wrote no number learns which ones are allowed."""
    (found,) = run_check(env("VALUE", kind="integer", **bounds), {"VALUE": "many"}).findings

    assert words in found.action[0]


def test_a_choice_gets_its_nearest():
    """The allowed value that was probably meant is offered."""
    check = env("ENV", kind="choice", choices=["production", "development"])

    assert "Did you mean production?" in run_check(check, {"ENV": "prodution"}).findings[0].action[0]
    assert "upper and lower case" in run_check(check, {"ENV": "PRODUCTION"}).findings[0].summary


@given(
    st.text(alphabet="ψωφξδλ:/?#@[]%. ", min_size=1, max_size=30),
    st.sampled_from(["url", "integer", "boolean", "path"]),
)
def test_no_value_is_ever_shown(value, kind):
    """Whatever a value holds, no letter of it reaches a finding or a checkpoint."""
    said = everything(run_check(env("VALUE", kind=kind), {"VALUE": value}))
    said += everything(run_check(env("VALUE", secret=True), {"VALUE": value}))

    assert not set(said) & set("ψωφξδλ")


def test_sources_that_disagree():
    """The place that wins and the one that is overruled are named, the values are not."""
    sources = {
        "TOKEN": (
            Source(label=".env", value="first-value"),
            Source(label="the process's environment", value="second-value"),
            Source(label="raw_env in gunicorn.conf.py", value="second-value"),
        )
    }
    result = run_check(env("TOKEN"), {"TOKEN": "second-value"}, sources=sources)

    assert result.codes == ("BC107",)
    assert result.findings[0].severity is Severity.WARNING
    assert result.findings[0].summary == "TOKEN is set differently in 2 places; raw_env in gunicorn.conf.py wins."
    assert [item.text.split()[0] for item in result.findings[0].evidence] == ["is", "is", "wins"]
    assert result.outcome("env.TOKEN.source") is Outcome.FAILED
    assert "first-value" not in everything(result)
    assert "second-value" not in everything(result)


def test_sources_that_agree():
    """The checkpoint says where the value came from."""
    sources = {"TOKEN": (Source(label=".env", value="v"), Source(label="raw_env", value="v"))}
    result = run_check(env("TOKEN"), {"TOKEN": "v"}, sources=sources)

    assert result
    point = next(point for point in result.checkpoints if point.name == "env.TOKEN.source")
    assert point.detail["source"] == "raw_env"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"kind": "interger"}, "Did you mean 'integer'"),
        ({"kind": "choice"}, "choices is empty"),
        ({"choices": ["a"]}, "choices does not go with kind='text'"),
        ({"choices": "ab", "kind": "choice"}, "not a list"),
        ({"minimum": 1}, "minimum does not go"),
        ({"kind": "integer", "minimum": 3, "maximum": 2}, "greater than maximum"),
        ({"kind": "integer", "maximum": True}, "whole number"),
        ({"kind": "integer", "minimum": 1.5}, "whole number"),
        ({"schemes": ["http"]}, "schemes does not go"),
        ({"kind": "url", "secret": True}, "secret does not go"),
        ({"min_length": -1}, "at least 0"),
        ({"min_entropy": float("nan")}, "min_entropy"),
        ({"required": "yes"}, "True or False"),
    ],
)
def test_options_are_validated(options, match):
    """A check that could never do what was meant is refused where it is written."""
    with pytest.raises(CheckOptionError, match=match):
        env("VALUE", **options)


@pytest.mark.parametrize("name", ["", "A=B", "A B", None, "A\0"])
def test_a_name_must_be_one(name):
    """Whoever passes NAME=value by mistake learns it, and the value is not quoted."""
    with pytest.raises(CheckOptionError, match="is not the name of a variable"):
        env(name)


def test_the_strength_of_secret_key_is_discovered():
    """It is discovered where it is set, and its twin that somebody declared has the same subject."""
    assert list(discover({"SECRET_KEY": GOOD}, Server())) == [env("SECRET_KEY", secret=True)]
    assert list(discover({"SECRET_KEY": " "}, Server())) == []
    assert list(discover({}, Server())) == []

    declared = env("SECRET_KEY", secret=True, min_length=32)
    assert declared.subject == next(discover({"SECRET_KEY": GOOD}, Server())).subject
    assert env("SECRET_KEY").subject != declared.subject


def test_it_runs_in_the_master():
    """Only values are looked at."""
    assert Env.moment is Moment.MASTER
    assert env("A").budget > 0
