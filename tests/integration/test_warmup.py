"""Warm-ups of real workers: before ready, timed, optional or required, one after the other, in every worker class."""

from __future__ import annotations

import os
import signal

import pytest

from tests.integration.harness import ARMED, CLASSES, FULL, HELLO, HELLO_ASGI, functions_of, names_of, wait_until

DECLARED = """
import bootcheck
from bootcheck import warmup

bootcheck.arm(globals(), warmups=[{warmups}])
"""
MODELS = """
import os, time

loaded = []

def good():
    loaded.append(bytearray(8 << 20))
    time.sleep(0.2)

def bad():
    raise LookupError("no weights at s3://user:secret-key-1@bucket")

def hangs():
    time.sleep(3600)

def stubborn():
    while True:
        try:
            time.sleep(3600)
        except Exception:
            pass

def say():
    with open("warmed", "a") as file:
        file.write("%d\\n" % os.getpid())
"""
ASKED = """
import models
def app(environ, start_response):
    start_response("200 OK", [])
    return [str(len(models.loaded)).encode()]
"""


def declared(*warmups):
    """Return a configuration with these warm-ups."""
    return DECLARED.format(warmups=", ".join(warmups))


def the_step(report, name):
    """Return the last checkpoint of a step."""
    return [entry for entry in report["checkpoints"] if entry["name"] == name][-1]


def skip_if_lacking(python, kind):
    """Skip a worker class that cannot be had."""
    if python.lacks(kind):
        pytest.skip(python.lacks(kind))


@pytest.mark.parametrize("kind", CLASSES)
def test_a_warm_up_is_over_before_the_worker_is_ready(serve, python, kind):
    """A timed step with the memory before and after, inside the boot, in every worker class."""
    skip_if_lacking(python, kind)
    server = serve(config=declared("warmup('model', 'models:good')"), worker_class=kind, files={"models.py": MODELS})
    (report,) = server.wait_for_reports("boot", role="worker")

    step = the_step(report, "warmup.model")
    assert step["outcome"] == "passed"
    assert step["duration_ms"] >= 200
    assert step["detail"]["rss_after_bytes"] - step["detail"]["rss_before_bytes"] > 4 << 20
    names = names_of(report)
    assert names.index("app.load") < names.index("warmup.model") < len(names) - 1 - names[::-1].index("worker.boot")
    assert not report["findings"]
    assert server.get()[0] == 200
    assert server.stop() == 0


@pytest.mark.parametrize("kind", ["gthread", "uvicorn"] if FULL else ["gthread"])
def test_the_app_declares_its_own(serve, python, kind):
    """By decorator, over a lazy loader: it is loaded once, before the first request."""
    skip_if_lacking(python, kind)
    lazy = """
import bootcheck
calls = []
@bootcheck.warmup(name="model", required=True)
@bootcheck.load_once
def model():
    calls.append(1)
    return "weights"
"""
    ask = "return [str(model() and len(calls)).encode()]"
    if kind == "gthread":
        app = lazy + HELLO.replace('return [b"hello"]', ask)
    else:
        app = lazy + HELLO_ASGI.replace('b"hello"', "str(model() and len(calls)).encode()")
    server = serve(app=app, worker_class=kind)
    (report,) = server.wait_for_reports("boot", role="worker")

    assert the_step(report, "warmup.model")["outcome"] == "passed"
    assert "load.model" in names_of(report)
    assert server.get() == (200, b"1")


@pytest.mark.parametrize("kind", ["asgi", "uvicorn"] if FULL else ["asgi"])
def test_an_async_warm_up_runs_in_the_loop_that_serves(serve, python, kind):
    """After the lifespan: what it makes belongs to that loop."""
    skip_if_lacking(python, kind)
    app = """
import asyncio, bootcheck
seen = {}
@bootcheck.warmup(name="client")
async def client():
    await asyncio.sleep(0.01)
    seen["loop"] = asyncio.get_running_loop()
""" + HELLO_ASGI.replace('b"hello"', "str(seen['loop'] is asyncio.get_running_loop()).encode()")
    server = serve(app=app, worker_class=kind)
    (report,) = server.wait_for_reports("boot", role="worker")

    names = names_of(report)
    assert names.index("app.lifespan") < names.index("warmup.client")
    assert server.get() == (200, b"True")
    assert server.stop() == 0


@pytest.mark.parametrize("kind", ["sync", "asgi", "uvicorn"] if FULL else ["sync"])
def test_a_required_one_that_fails_is_a_boot_failure(serve, python, kind):
    """With its exception, its step, and the secret masked."""
    skip_if_lacking(python, kind)
    server = serve(
        config=declared("warmup('model', 'models:bad', required=True)"),
        worker_class=kind,
        files={"models.py": MODELS},
    )

    assert server.wait() == 3
    death = server.death()
    assert (death["verdict"]["cause"], death["step"]) == ("exception", "warmup.model")
    assert death["attributes"]["exception.type"] == "LookupError"
    assert "secret-key-1" not in str(death)
    assert not server.reports("boot", "worker")


@pytest.mark.parametrize("kind", ["asgi", "uvicorn"])
def test_an_async_required_one_that_fails_is_a_boot_failure(serve, python, kind):
    """A server would take the exception for an app without a lifespan, and serve."""
    skip_if_lacking(python, kind)
    app = """
import bootcheck
@bootcheck.warmup(name="client", required=True)
async def client():
    raise LookupError("no client")
"""
    server = serve(app=app + HELLO_ASGI, worker_class=kind)

    assert server.wait() == 3
    death = server.death()
    assert (death["verdict"]["cause"], death["step"]) == ("exception", "warmup.client")
    assert death["attributes"]["exception.type"] == "LookupError"


def test_one_of_fifteen_that_fails_does_not_stop_the_others(serve):
    """A warning in the boot report names it; all others are loaded and the worker serves."""
    some = [f"warmup('m{number}', 'models:{'bad' if number == 7 else 'say'}')" for number in range(15)]
    server = serve(config=declared(*some), files={"models.py": MODELS})
    (report,) = server.wait_for_reports("boot", role="worker")

    (finding,) = report["findings"]
    assert (finding["code"], finding["severity"], finding["step"]) == ("BC305", "warning", "warmup.m7")
    assert "LookupError" in finding["summary"]
    assert "in bad" in finding["evidence"][0]["text"]
    assert "secret-key-1" not in str(report)
    outcomes = [the_step(report, f"warmup.m{number}")["outcome"] for number in range(15)]
    assert outcomes.count("passed") == 14
    assert outcomes[7] == "failed"
    server.wait_for_line(r"bootcheck: warning: The warm-up m7 failed")
    assert server.get()[0] == 200
    assert server.stop() == 0


@pytest.mark.parametrize("kind", ["sync", "gevent"])
def test_an_optional_one_that_hangs_is_interrupted(serve, python, kind):
    """After its deadline, with the place where it hung; the worker serves."""
    skip_if_lacking(python, kind)
    server = serve(
        config=declared("warmup('model', 'models:hangs', deadline_s=0.3)", "warmup('other', 'models:say')"),
        worker_class=kind,
        files={"models.py": MODELS},
    )
    (report,) = server.wait_for_reports("boot", role="worker")

    (finding,) = report["findings"]
    assert "was not over within 0.3 s" in finding["summary"]
    assert "in hangs" in finding["evidence"][0]["text"]
    assert the_step(report, "warmup.other")["outcome"] == "passed"
    assert server.get()[0] == 200
    assert server.stop() == 0


def test_a_required_one_that_hangs_is_ended_with_its_stack(serve):
    """By the watchdog of the boot deadline, for this step alone; the next worker's loads."""
    once = "\nimport turn\ndef once():\n    stubborn() if turn.first() else None\n"
    server = serve(
        config=declared("warmup('model', 'models:once', required=True, deadline_s=1.0)"),
        files={"models.py": MODELS + once},
    )
    server.wait_ready()
    (death,) = server.wait_for_reports("crash")

    assert (death["verdict"]["cause"], death["step"]) == ("boot_deadline", "warmup.model")
    assert "stubborn" in functions_of(death)
    assert server.stop() == 0


def test_a_fork_safe_one_runs_once_in_the_master(serve):
    """Under preload: the workers have what it loaded, and do not load it again, a reload's neither."""
    server = serve(
        app=ASKED,
        config=declared("warmup('model', 'models:good', in_master=True)", "warmup('own', 'models:say')"),
        workers=2,
        options=["--preload"],
        files={"models.py": MODELS},
    )
    server.wait_ready(2)
    (master,) = server.reports("boot", "master")

    assert the_step(master, "warmup.model")["outcome"] == "passed"
    assert server.get() == (200, b"1")
    server.signal(signal.SIGHUP)
    server.wait_ready(4)
    for report in server.reports("boot", "worker"):
        assert "warmup.model" not in names_of(report)
        assert the_step(report, "warmup.own")["outcome"] == "passed"
    wait_until(lambda: len(server.workers()) == 2, "the old workers' end")
    assert server.get() == (200, b"1")
    assert server.stop() == 0


@pytest.mark.parametrize("what", ["bad", "hangs"] if FULL else ["hangs"])
def test_a_required_one_that_fails_in_the_master_ends_the_start(serve, what):
    """One report of the master, no worker, no pidfile."""
    server = serve(
        config=declared(f"warmup('model', 'models:{what}', required=True, in_master=True, deadline_s=1)"),
        options=["--preload", "--pid", "pid"],
        files={"models.py": MODELS},
    )

    assert server.wait() == 1
    death = server.death()
    assert (death["role"], death["verdict"]["cause"], death["step"]) == ("master", "exception", "warmup.model")
    assert what in death["attributes"]["exception.stacktrace"]
    assert not (server.home / "pid").exists()


ONE_BY_ONE = """
import os, time

def alone():
    path = "warming"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    time.sleep(0.2)
    if os.path.exists("kill-one"):
        os.unlink("kill-one")
        os.unlink(path)
        os.kill(os.getpid(), 9)
    os.unlink(path)
"""


@pytest.mark.parametrize("kill", [False, True], ids=["", "killed"])
def test_workers_warm_up_one_after_the_other(serve, kill):
    """Two at once would fail; who is killed in the middle frees its slot."""
    config = declared("warmup('model', 'models:alone', required=True)").replace("])", "], warm_at_once=1)")
    server = serve(config=config, workers=4, files={"models.py": ONE_BY_ONE, **({"kill-one": ""} if kill else {})})
    server.wait_ready(4)

    reports = server.reports("boot", "worker")
    waited = [report for report in reports if "warmup.turn" in names_of(report)]
    assert len(waited) >= 2
    pids = {report["attributes"]["process.pid"] for report in reports} | {
        death["attributes"]["process.pid"] for death in server.reports("crash")
    }
    assert all(set(the_entered(report)["detail"]["waits_for"]) <= pids for report in waited)
    assert [death["verdict"]["cause"] for death in server.reports("crash")] == ["sigkill_external"] * kill
    assert server.stop() == 0


def the_entered(report):
    """Return the checkpoint with which a worker began to wait for its turn."""
    return next(entry for entry in report["checkpoints"] if entry["name"] == "warmup.turn")


def test_without_a_limit_they_warm_up_together(serve):
    """The test above can fail."""
    server = serve(config=declared("warmup('model', 'models:alone')"), workers=4, files={"models.py": ONE_BY_ONE})
    server.wait_ready(4)

    assert any("FileExistsError" in str(report["findings"]) for report in server.reports("boot", "worker"))


def test_a_stop_ends_a_worker_that_waits_for_its_turn(serve):
    """It need not wait for the others' models."""
    config = declared("warmup('model', 'models:hangs')").replace("])", "], warm_at_once=1)")
    server = serve(config=config, workers=2, files={"models.py": MODELS})
    wait_until(
        lambda: sum(b'"warmup.turn"' in path.read_bytes() for path in server.directory.glob("worker-*.jsonl")),
        lambda: "a worker that waits" + server.story(),
    )

    assert server.stop() == 0
    steps = {death["step"] for death in server.reports("crash")}
    assert steps <= {"warmup.model", "warmup.turn"}


def test_a_server_that_declares_none_loads_nothing_of_it(serve):
    """Neither in the master nor in a worker."""
    app = """
import sys
def app(environ, start_response):
    start_response("200 OK", [])
    return [" ".join(name for name in sys.modules if name.startswith("bootcheck.")).encode()]
"""
    server = serve(app=app, config=ARMED)
    names = set(server.get()[1].decode().split())

    assert "bootcheck.recorder" in names
    assert not {name for name in names if "warm" in name or "once" in name or "load" in name}
    assert os.getpid() not in server.processes()
