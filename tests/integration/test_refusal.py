"""Starts that are refused: all problems on one screen, the right exit code, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import time

import pytest

from tests.integration.harness import names_of, wait_until

PASSWORD = "hunter2-very-secret"


def checks_config(*lines):
    """Return a configuration that declares these checks."""
    listed = "".join(f"    {line},\n" for line in lines)
    return f"import bootcheck\nfrom bootcheck import checks\nbootcheck.arm(globals(), checks=[\n{listed}])\n"


@pytest.fixture
def refused_port():
    """A port of this machine at which nobody listens, kept so for the test."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def mute_port():
    """A port that accepts and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


def url_of(port, driver="postgresql"):
    """Return a database URL with a password that must never be shown."""
    return f"{driver}://app:{PASSWORD}@127.0.0.1:{port}/shop"


@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
def test_all_problems_of_one_start_are_told_together(serve, tmp_path, preload):
    """Missing secret, postgres:// and an unwritable path: one run, three findings, 78, no worker, nothing left."""
    blocked = tmp_path / "uploads"
    blocked.mkdir(mode=0o555)
    # Modes do not hold root back; sysfs does.
    where = str(blocked) if os.geteuid() else "/sys"
    config = checks_config(
        'checks.env("SECRET_KEY", secret=True)', "checks.database_url()", f"checks.paths(writable=[{where!r}])"
    )
    bind = tmp_path / "socket"
    server = serve(
        app="open('imported', 'w').close()\n",
        config=config,
        environ={"DATABASE_URL": url_of(5432, "postgres")},
        options=["--pid", "pidfile", *(["--preload"] if preload else [])],
        bind=f"unix:{bind}",
    )

    assert server.wait() == 78
    report = server.death()
    assert (report["role"], report["verdict"]["cause"]) == ("master", "check_failed")
    # That nobody listens at the URL is found as well, and was not asked for.
    errors = [finding for finding in report["findings"] if finding["severity"] == "error" and finding["declared"]]
    assert sorted(finding["code"] for finding in errors) == ["BC101", "BC110", "BC402"]
    assert report["step"].startswith("check.")
    assert report["verdict"]["code"] in {finding["code"] for finding in errors}
    assert "Booting worker" not in server.stderr
    assert not (server.home / "imported").exists()
    assert not (server.home / "pidfile").exists()
    assert not bind.exists()
    assert not server.leftovers()
    for finding in errors:
        assert finding["summary"] in " ".join(server.stderr.split())
    everything = server.stderr + server.stdout + "".join(path.read_text() for path in server.report_files())
    assert PASSWORD not in everything


def test_a_required_variable_may_be_named_in_the_environment(serve):
    """BOOTCHECK_REQUIRE_ENV declares: an unset and an empty variable stop the start, together."""
    server = serve(environ={"BOOTCHECK_REQUIRE_ENV": "API_TOKEN,REGION,HOME", "REGION": ""})

    assert server.wait() == 78
    report = server.death()
    assert sorted(finding["code"] for finding in report["findings"]) == ["BC101", "BC102"]
    assert "API_TOKEN" in server.stderr
    assert "REGION" in server.stderr
    assert not server.leftovers()


def test_raw_env_counts_as_environment(serve):
    """What the configuration file gives to workers is what the checks see."""
    config = 'raw_env = ["NEEDED=there-it-is"]\n' + checks_config('checks.env("NEEDED")')
    server = serve(config=config)
    server.wait_ready()

    assert server.get()[0] == 200
    assert server.stop() == 0
    assert not server.reports("crash")


def test_a_reload_does_not_check_a_serving_master_to_death(serve):
    """HUP with a check that fails now: the server goes on."""
    server = serve(config=checks_config('checks.env("NEEDED")'), environ={"NEEDED": "x"})
    server.wait_ready()
    (server.home / "bootcheck.conf.py").write_text(checks_config('checks.env("NOT_THERE")'))
    server.signal(signal.SIGHUP)
    server.wait_ready(2)

    assert server.get()[0] == 200
    assert server.stop() == 0
    assert not server.reports("crash")


def test_off_still_says_what_stopped_the_server(serve):
    """BOOTCHECK_LOG=off keeps the banner of a refused start."""
    server = serve(config=checks_config('checks.env("NEEDED")'), environ={"BOOTCHECK_LOG": "off"})

    assert server.wait() == 78
    assert "NEEDED" in server.stderr
    assert "bootcheck explain BC101" in server.stderr


def test_observe_stops_nothing_and_says_what_would_have(serve):
    """BOOTCHECK_ENFORCE=observe: the app serves, the finding is in the master's boot report."""
    server = serve(config=checks_config('checks.env("NEEDED")'), environ={"BOOTCHECK_ENFORCE": "observe"})
    server.wait_ready()
    assert server.get()[0] == 200
    assert server.stop() == 0

    (master,) = server.reports("boot", "master")
    assert [finding["code"] for finding in master["findings"]] == ["BC101"]
    assert "would have stopped" in server.stderr
    assert not server.reports("crash")


def test_all_makes_discovered_checks_count(serve):
    """BOOTCHECK_ENFORCE=all: what was only discovered stops the start like a declared check."""
    environ = {"SECRET_KEY": "changeme"}
    warned = serve(environ=environ)
    warned.wait_ready()
    warned.stop()
    refused = serve(environ={**environ, "BOOTCHECK_ENFORCE": "all"})

    assert refused.wait() == 78
    assert "BC104" in {finding["code"] for finding in refused.death()["findings"]}
    (master,) = warned.reports("boot", "master")
    assert "BC104" in {finding["code"] for finding in master["findings"]}
    assert not warned.reports("crash")


def test_a_refused_port_that_is_declared_ends_the_start(serve, refused_port):
    """A database that refuses connections is a service that cannot be reached: 69."""
    server = serve(config=checks_config("checks.database()"), environ={"DATABASE_URL": url_of(refused_port)})

    assert server.wait() == 69
    report = server.death()
    assert (report["verdict"]["cause"], report["verdict"]["code"]) == ("check_failed", "BC210")
    assert report["step"] == "check.database"
    assert "database.tcp" in names_of(report)
    assert "Booting worker" not in server.stderr
    assert PASSWORD not in server.stderr
    assert not server.leftovers()


def test_a_refused_port_that_is_discovered_is_a_warning(serve, refused_port):
    """Nobody asked: the app boots, and the warning is on stderr and in the master's report."""
    server = serve(environ={"DATABASE_URL": url_of(refused_port)})
    server.wait_ready()
    assert server.get()[0] == 200
    assert server.stop() == 0

    (master,) = server.reports("boot", "master")
    found = {finding["code"]: finding["severity"] for finding in master["findings"]}
    assert found["BC210"] in ("warning", "error")
    assert "BC210" in server.stderr
    assert not server.reports("crash")


def test_configuration_outranks_service(serve, refused_port):
    """Both kinds of problem at once: 78."""
    server = serve(
        config=checks_config("checks.database()", 'checks.env("NEEDED")'),
        environ={"DATABASE_URL": url_of(refused_port)},
    )

    assert server.wait() == 78
    assert {finding["code"] for finding in server.death()["findings"]} >= {"BC101", "BC210"}


def test_a_mute_server_ends_with_its_timeout(serve, mute_port):
    """A server that accepts and never answers costs its timeout, not for ever."""
    server = serve(
        config=checks_config("checks.database(connect_timeout=2)"), environ={"DATABASE_URL": url_of(mute_port)}
    )
    began = time.monotonic()

    assert server.wait(30) == 69
    assert time.monotonic() - began < 20
    report = server.death()
    assert report["verdict"]["code"] == "BC212"
    assert report["step"] == "check.database"


def test_a_stop_during_the_preflight_ends_everything(serve, mute_port):
    """SIGTERM while a check waits: master and child are gone at once, with a report of the master."""
    server = serve(
        config=checks_config("checks.database(connect_timeout=60)"), environ={"DATABASE_URL": url_of(mute_port)}
    )
    wait_until(lambda: len(server.processes()) == 2, "the preflight child" + server.story())
    server.stop()

    report = server.death()
    assert (report["role"], report["verdict"]["cause"]) == ("master", "sigterm")
    assert not server.processes()


def test_a_check_that_kills_its_process_is_a_finding(serve):
    """A driver that crashes takes the child along and not the server."""
    config = """
        import ctypes, os
        from dataclasses import dataclass
        from typing import ClassVar
        import bootcheck
        from bootcheck.checks.base import Moment
        from bootcheck.model.checkpoint import Phase
        @dataclass(frozen=True)
        class Fatal:
            name: ClassVar[str] = "fatal"
            moment: ClassVar = Moment.PREFLIGHT
            phase: ClassVar = Phase.DATABASE
            subject: str = "driver"
            budget: float = 5.0
            def run(self, context):
                os.write(2, b"last words\\n")
                ctypes.string_at(0)
                yield
        class Slow(Fatal):
            name = "slow"
            def run(self, context):
                import time
                time.sleep(60)
                yield
        class Fine(Fatal):
            name = "fine"
            def run(self, context):
                context.recorder.passed("fine.ran", Phase.DATABASE, uid=os.geteuid())
                yield from ()
        bootcheck.arm(globals(), checks=[Fatal(), Slow(budget=0.2), Fine()])
    """
    server = serve(config=config, environ={"BOOTCHECK_ENFORCE": "observe"})
    server.wait_ready()
    assert server.stop() == 0

    (master,) = server.reports("boot", "master")
    summaries = [finding["summary"] for finding in master["findings"]]
    assert any("SIGSEGV" in text for text in summaries)
    assert any("0.2 s" in text for text in summaries)
    assert any("last words" in item["text"] for finding in master["findings"] for item in finding["evidence"])
    assert "fine.ran" in names_of(master)


@pytest.mark.parametrize("line", ['checks.env("NEEDED", kind="colour")', "'no check at all'"])
def test_a_wrong_option_is_said_and_ends_the_start(serve, line):
    """A check that was declared wrongly names what is wrong, without a traceback of ours only."""
    server = serve(config=checks_config(line))

    assert server.wait() != 0
    assert "bootcheck" in server.stderr
    assert "Booting worker" not in server.stderr
