"""Safe reload: a new app that cannot boot is refused on HUP, and the old workers serve on."""

from __future__ import annotations

import os
import signal
import textwrap

import pytest

from tests.integration.harness import FULL, wait_until

CONFIG = """
import bootcheck

def on_reload(server):
    print("RELOADED", flush=True)

bootcheck.arm(globals(), safe_reload={})
"""
REFUSED = r"RELOAD REFUSED; the old workers serve on"


def app_of(body, word):
    """Return an app that answers with a word, once its body has run."""
    return (
        textwrap.dedent(body)
        + f"\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'{word}']\n"
    )


def reload(server, app=None, config=None):
    """Put new files in place and send HUP."""
    for name, text in (("app.py", app), ("bootcheck.conf.py", config)):
        if text is not None:
            (server.home / name).write_text(text, encoding="utf-8")
    server.signal(signal.SIGHUP)


def up(serve, seconds="True", **options):
    """Return a server that answers `old`."""
    server = serve(app=app_of("", "old"), config=CONFIG.format(seconds), **options)
    server.wait_ready(options.get("workers", 1))
    assert server.get() == (200, b"old")
    return server


BROKEN = {
    "raises": ("raise ValueError('no model')", "ValueError: no model"),
    "missing": ("import no_such_package", "no_such_package"),
    "syntax": ("def (", "SyntaxError"),
    "exits": ("import sys; sys.exit(3)", r"sys\.exit"),
    "os-exit-3": ("import os; os._exit(3)", "status 3"),
    "segfault": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "killed": ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
}


@pytest.mark.parametrize("name", BROKEN if FULL else ("raises", "os-exit-3", "segfault"))
def test_what_cannot_boot_is_refused(serve, name):
    """With the finding on the console and in the log; no worker changes, and nothing has died."""
    body, word = BROKEN[name]
    server = up(serve)
    before = server.workers()
    reload(server, app_of(body, "new"))
    server.wait_for_line(REFUSED)
    server.wait_for_line(r"\[ERROR\] Reload refused by bootcheck; the old workers serve on: ")
    server.wait_for_line(word)
    assert server.get() == (200, b"old")
    wait_until(lambda: server.workers() == before, "the same workers, and no child besides")
    assert "RELOADED" not in server.stdout

    reload(server, app_of("", "new"))
    server.wait_for_line("the new app loads: reloading")
    wait_until(lambda: server.get() == (200, b"new"), "the new app")
    assert server.stdout.count("RELOADED") == 1
    assert server.stop() == 0
    assert not server.reports("crash")


def test_one_that_hangs_is_ended_at_its_deadline(serve):
    """And says where it stood; the master has looked after its workers meanwhile."""
    server = up(serve, seconds="4")
    [worker] = server.workers()
    reload(server, app_of("import time\nopen('loading', 'w').close()\ntime.sleep(600)", "new"))
    wait_until((server.home / "loading").exists, "the load in the child")
    (server.home / "app.py").write_text(app_of("", "repaired"), encoding="utf-8")
    os.kill(worker, signal.SIGKILL)
    server.wait_for_reports("crash")
    server.wait_ready(2)
    assert REFUSED.partition(";")[0] not in server.stderr
    assert server.get() == (200, b"repaired")
    server.wait_for_line(REFUSED)
    server.wait_for_line("did not finish within 4 s")
    server.wait_for_line(r"app\.py:\s+in\s+<module>")
    assert server.stop() == 0
    assert server.death()["verdict"]["cause"] == "sigkill_external"


def test_a_configuration_that_cannot_be_read_is_refused(serve):
    """Plain Gunicorn's master exits on it and leaves its workers behind."""
    server = up(serve)
    reload(server, config="import bootcheck\nbootcheck.arm(globals())\nraise ValueError('typo')\n")
    server.wait_for_line(REFUSED)
    server.wait_for_line(r"The new configuration cannot be read: ValueError: typo")
    assert server.get() == (200, b"old")
    reload(server, config=CONFIG.format("True") + "\nworkers = 2\n")
    server.wait_for_line("the new app loads: reloading")
    server.wait_ready(3)
    wait_until(lambda: len(server.workers()) == 2, "two workers")
    assert server.stop() == 0
    assert not server.reports("crash")


def test_the_environment_of_the_new_configuration_is_what_the_app_sees(serve):
    """raw_env of the old one is taken away, as Gunicorn does."""
    config = CONFIG.format("True") + "\nraw_env = ['WORD=old', 'GONE=1']\n"
    app = """
    import os
    assert os.environ["WORD"] != "new" or "GONE" not in os.environ
    open(os.environ["WORD"], "w").close()
    """
    server = serve(app=app_of(app, "old"), config=config)
    server.wait_ready()
    reload(server, config=config.replace("['WORD=old', 'GONE=1']", "['WORD=new']"))
    server.wait_for_line("the new app loads: reloading")
    server.wait_ready(2)
    assert (server.home / "new").exists()
    assert server.stop() == 0


def test_a_second_hup_tries_the_newest_files(serve):
    """What the first one loads is old by then."""
    server = up(serve)
    waits = """
    import os, time
    open("loading", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.02)
    """
    reload(server, app_of(waits, "a"))
    wait_until((server.home / "loading").exists, "the load in the child")
    reload(server, app_of("raise ValueError('newest')", "b"))
    server.wait_for_line("Handling signal: hup", count=2)
    (server.home / "go").touch()
    server.wait_for_line(REFUSED)
    server.wait_for_line("ValueError: newest")
    assert "reloading" not in server.stderr
    assert server.get() == (200, b"old")
    assert server.stop() == 0


def test_a_stop_does_not_wait_for_the_child(serve):
    """And leaves none behind."""
    server = up(serve)
    reload(server, app_of("import time\nopen('loading', 'w').close()\ntime.sleep(600)", "new"))
    wait_until((server.home / "loading").exists, "the load in the child")
    assert server.stop() == 0
    wait_until(lambda: not server.processes(), "no process")
    assert not server.reports("crash")


def test_who_only_observes_is_told_and_reloads(serve):
    """BOOTCHECK_ENFORCE=observe stops nothing."""
    server = up(serve, environ={"BOOTCHECK_ENFORCE": "observe"}, workers=2)
    reload(server, app_of("import turn\nif turn.first():\n    raise ValueError('once')", "new"))
    server.wait_for_line("RELOAD WOULD BE REFUSED, observing only")
    wait_until(lambda: server.get() == (200, b"new"), "the new app")
    assert server.stop() == 0


def test_declared_checks_of_a_worker_count(serve):
    """They are those of the new configuration, and would end each new worker."""
    server = up(serve)
    config = """
    from dataclasses import dataclass
    from typing import ClassVar

    import bootcheck
    from bootcheck.checks.base import Moment
    from bootcheck.model.checkpoint import Phase
    from bootcheck.model.finding import Finding


    @dataclass(frozen=True, kw_only=True)
    class Word:
        name: ClassVar[str] = "word"
        moment: ClassVar[Moment] = Moment.WORKER
        phase: ClassVar[Phase] = Phase.APP
        subject: str = "the app"
        budget: float = 5.0

        def run(self, context):
            yield Finding(code="BC406", summary=f"The {type(context.app).__name__} has no word.")


    bootcheck.arm(globals(), checks=[Word()])
    """
    reload(server, config=textwrap.dedent(config))
    server.wait_for_line(REFUSED)
    server.wait_for_line("The function has no word")
    assert server.get() == (200, b"old")
    assert server.stop() == 0


@pytest.mark.parametrize("kind", ["gevent", "gthread", "asgi", "uvicorn"] if FULL else ["gevent", "asgi"])
def test_other_worker_classes(serve, kind):
    """The child loads the app as their workers do."""
    server = serve(worker_class=kind, config=CONFIG.format("True"))
    server.wait_ready()
    good = (server.home / "app.py").read_text(encoding="utf-8")
    reload(server, "raise ValueError('no model')\n")
    server.wait_for_line(REFUSED)
    assert server.get() == (200, b"hello")
    reload(server, good)
    server.wait_for_line("the new app loads: reloading")
    server.wait_ready(2)
    assert server.stop() == 0
    assert not server.reports("crash")
