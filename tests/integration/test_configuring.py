"""Servers that end while Gunicorn reads its configuration: one report that says which value, and no false one."""

from __future__ import annotations

import pytest

from bootcheck.analysis import analyze
from tests.integration.harness import ARMED, HELLO

RAISES = f"{ARMED}\nraise LookupError('no such shop')\n"
EXITS = f"{ARMED}\nimport sys\nsys.exit(3)\n"


@pytest.mark.parametrize(
    ("config", "options", "told"),
    [
        (f"workers = 'many'\n{ARMED}", [], "sets workers to"),
        (f"{ARMED}\ntimeout = -4\n", [], "sets timeout to"),
        (ARMED, ["--user", "nobody-of-this-name"], "sets user to"),
        (ARMED, ["--chdir", "/nowhere/at/all"], "the command line sets chdir to"),
        (RAISES, [], "bootcheck.conf.py, line"),
        (EXITS, [], "bootcheck.conf.py, line"),
    ],
    ids=["value", "value-behind", "user", "chdir", "raises", "exits"],
)
def test_a_configuration_that_cannot_be_used(serve, config, options, told):
    """The master dies before any hook runs: exactly one report, with what is wrong and where."""
    server = serve(app=HELLO, config=config, options=options)

    assert server.wait() != 0
    report = server.death()
    assert (report["role"], report["step"]) == ("master", "server.boot")
    assert report["verdict"]["cause"] in ("exception", "sys_exit")
    (finding,) = report["findings"]
    assert finding["code"] == "BC521"
    assert told in finding["summary"]
    (incident,) = analyze([str(server.directory)]).incidents
    assert (incident.cause_class, incident.count) == ("config-file-error", 1)


def test_a_module_that_nobody_named(serve):
    """Neither on the command line nor in the file."""
    server = serve(app=HELLO, config=ARMED, target=None)

    assert server.wait() == 1
    (finding,) = server.death()["findings"]
    assert "No application module" in finding["summary"]


def test_the_file_beside_a_command_without_one(serve):
    """`python:bootcheck.conf` executes ./gunicorn.conf.py first: what that raises is a death, too."""
    server = serve(
        app=HELLO,
        config="import a_module_of_nobody\n",
        config_file="gunicorn.conf.py",
        name_config=False,
        options=["-c", "python:bootcheck.conf"],
    )

    assert server.wait() == 1
    report = server.death()
    assert report["attributes"]["exception.type"] == "ModuleNotFoundError"
    (incident,) = analyze([str(server.directory)]).incidents
    assert incident.cause_class == "config-file-error"
    assert "a_module_of_nobody" in incident.summary


def test_who_is_only_asked_leaves_nothing(serve):
    """A check of the configuration, good or bad, a version, a healthy server: no death."""
    for options in (["--check-config"], ["--print-config"], ["--version"], ["--check-config", "--timeout", "-4"]):
        server = serve(app=HELLO, config=ARMED, options=options)
        server.wait()
        assert server.reports("crash") == [], options
    server = serve(app=HELLO, config=ARMED)
    server.wait_ready()

    assert server.stop() == 0
    assert server.reports("crash") == []
