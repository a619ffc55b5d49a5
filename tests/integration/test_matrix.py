"""The death matrix under pytest: a covering subset, or with BOOTCHECK_TEST_MATRIX=full the whole product."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from bootcheck.model.journal import SWEPT
from tests.integration.deaths import EVERY_CLASS, KINDS
from tests.integration.harness import (
    FULL,
    HELLO,
    Interpreter,
    interpreter,
    interpreters,
    wait_until,
)
from tests.integration.matrix import Cell, cells, companies, covering, run, run_together
from tests.integration.matrix_run import page

PYTHONS = [interpreter(path) for path in interpreters()]
CELLS = [cell for python in PYTHONS for cell in (cells([python]) if FULL else covering(python)) if cell.lacks() is None]


def name_of(company: list[Cell]) -> str:
    """Return a name for the cells of one server."""
    return company[0].label + (f" and {len(company) - 1} more" if len(company) > 1 else "")


def every_other(found: list[list[Cell]]) -> list[Any]:
    """Return the servers as parameters; each second one is for the wide run."""
    return [
        pytest.param(company, marks=pytest.mark.wide) if number % 2 else company for number, company in enumerate(found)
    ]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("company", every_other(companies(CELLS)), ids=name_of)
def test_each_death_is_told_once_and_rightly(company, tmp_path):
    """One report with the right cause, step, role, pid and stack; none for what is no death; nothing left behind."""
    done = run_together(company, tmp_path / "together") if len(company) > 1 else []
    failed = {}
    for number, cell in enumerate(company):
        if cell not in done:
            try:
                run(cell, tmp_path / str(number))
            except AssertionError as exc:
                if cell.known_miss is not None:
                    pytest.xfail(cell.known_miss)
                failed[cell.label] = str(exc)
    assert not failed, "\n\n".join(f"{label}: {text}" for label, text in failed.items())


def test_the_subset_covers(python: Interpreter):
    """Every kind that exists here, and every class with and without preload."""
    subset = covering(python)
    there = {(cell.worker_class, cell.preload) for cell in cells([python]) if cell.lacks() is None}

    assert {(cell.worker_class, cell.preload) for cell in subset} == there
    assert {cell.base.name for cell in subset} == {
        kind.name for kind in KINDS if any(cell.lacks() is None for cell in cells([python]) if cell.base is kind)
    }
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 25


def test_the_page_tells_misses_and_what_was_not_made():
    """Nothing is called ok that was not made, and a miss is a miss with its reason."""
    row = {"class": "sync", "preload": "", "gunicorn": "27.0.1", "python": "3.13", "why": "", "label": "a label"}
    rows = [
        {**row, "kind": "exception", "state": "ok"},
        {**row, "kind": "exception", "state": "ok", "preload": "preload"},
        {**row, "kind": "SIGBUS", "state": "ok"},
        {**row, "kind": "SIGSEGV", "state": "miss", "why": "2 reports,\nnot 1"},
        {**row, "kind": "lifespan: SIGSEGV", "state": "n/a", "why": "no lifespan"},
        {**row, "kind": "lifespan: SIGSEGV", "state": "n/a", "why": "no lifespan", "preload": "preload"},
    ]
    lines = {line.split(" | ")[0]: line for line in page(rows).splitlines()}

    assert "| yes | · | 0/2 |" in lines["| exception"]
    assert "| yes | 1/2 | 0/2 |" in lines["| SIGBUS"]
    assert "| yes | **1 of 1** | 0/2 |" in lines["| SIGSEGV"]
    assert "| yes | – | 0/2 |" in lines["| lifespan: SIGSEGV"]
    assert "- a label: 2 reports, not 1" in lines
    assert "- no lifespan (2 cells: lifespan: SIGSEGV)" in lines


# -- facts, not words


MUTE = """
import traceback
import bootcheck.recorder
bootcheck.recorder._message = lambda exc: ""
traceback.format_exception = lambda *args, **options: [""]
"""
"""With this in the configuration file no journal has a word of any exception."""
WORDY = (
    "exception",
    "ImportError of a dependency",
    "missing app module",
    "missing app attribute",
    "sys.exit('text')",
    "KeyboardInterrupt raised",
    "exception in post_fork",
    "refused by a declared check",
    "lifespan: startup.failed",
)


def wordy() -> Iterable[tuple[Cell, int]]:
    """Yield a cell of each kind that is told by an exception."""
    for number, kind in enumerate(kind for kind in KINDS if kind.name in WORDY):
        there = [c for c in cells(PYTHONS[:1]) if c.base is kind and c.lacks() is None]
        if there:
            yield there[number % len(there)]


@pytest.mark.parametrize("cell", list(wordy()), ids=lambda cell: cell.label)
def test_deaths_are_classified_by_facts_not_by_words(cell, tmp_path):
    """With the text of every exception emptied, cause, step and role are the same."""
    body = cell.base.body.replace("'no such luck'", "").replace("'the reason'", "''").replace("'no luck'", "' '")
    mute = replace(cell, base=replace(cell.base, body=body))
    for report in run(mute, tmp_path / "server", opening=MUTE):
        assert (report["attributes"].get("exception.stacktrace") or "").strip() in ("", "no luck", cell.base.name)
        assert "no such luck" not in json.dumps(report)


# -- healthy life


CYCLES = 200 if FULL else 12
WORKERS = 2


def reload(server, rng):
    """HUP: every worker is replaced."""
    before = settled(server)
    server.signal(signal.SIGHUP)
    wait_until(
        lambda: len(serving(server)) == WORKERS and not before & serving(server),
        lambda: "new workers" + server.story(),
    )


def more_then_fewer(server, rng):
    """TTIN, then TTOU."""
    settled(server)
    server.signal(signal.SIGTTIN)
    wait_until(lambda: len(serving(server)) == WORKERS + 1, lambda: "one more worker" + server.story())
    server.signal(signal.SIGTTOU)
    settled(server)


def wear_out(server, rng):
    """max_requests: a worker that has served its number is replaced."""
    before = settled(server)

    def replaced():
        # The connection that wears a worker out may be reset: that is how some classes end.
        server.get_in_vain("/")
        return before - set(server.workers()) and len(serving(server)) == WORKERS

    wait_until(replaced, lambda: "a new worker" + server.story())


def stop_a_worker(server, rng):
    """A worker that is ready is told to stop, and replaced."""
    victim = min(settled(server))
    with contextlib.suppress(ProcessLookupError):  # one that was worn out a moment ago may be on its way
        os.kill(victim, rng.choice([signal.SIGTERM, signal.SIGINT]))
    wait_until(
        lambda: victim not in server.workers() and len(serving(server)) == WORKERS,
        lambda: "its successor" + server.story(),
    )


def settled(server) -> set[int]:
    """Return the workers once all are there and ready, and none that is on its way out is counted with them."""

    def all_of_them():
        found = serving(server)
        return found if len(found) == WORKERS == len(server.workers()) else None

    return wait_until(all_of_them, lambda: "all workers" + server.story())


def serving(server) -> set[int]:
    """Return the pids of the living workers that are ready."""
    ready = {report["attributes"]["process.pid"] for report in server.reports("boot", "worker")}
    return {pid for pid in server.workers() if pid in ready}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", EVERY_CLASS if FULL else ["sync", "uvicorn"])
def test_healthy_life_leaves_no_report(serve, kind):
    """HUP, TTIN, TTOU, max_requests and stops of workers that are ready, again and again: no death."""
    rng = random.Random(7)
    server = serve(worker_class=kind, workers=WORKERS, options=["--max-requests", "20", "--graceful-timeout", "20"])
    server.wait_ready(2)
    for number in range(CYCLES if FULL else CYCLES // 2):
        (reload, more_then_fewer, wear_out, stop_a_worker)[number % 4](server, rng)
        assert not server.reports("crash"), server.story()
    assert server.stop() == 0

    assert not server.reports("crash")
    assert not server.leftovers()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_every_stop_of_a_server_that_serves_is_quiet(serve, signo):
    """Started and stopped over and over, also across USR2: no death, nothing left behind."""
    server = serve(workers=2, options=["--pid", "pidfile", "--no-control-socket"][:2], run=False)
    for number in range(CYCLES // 3 if FULL else 1):
        ready = len(server.reports("boot", "worker"))
        server.start()
        server.wait_ready(ready + 2)
        if number % 3 == 0:
            server.signal(signal.SIGUSR2)
            server.wait_ready(ready + 4)
            heir = int(
                wait_until((server.home / "pidfile.2").exists, "the new master's pidfile")
                and (server.home / "pidfile.2").read_text()
            )
            assert server.stop(signo) == 0
            os.kill(heir, signo)
            wait_until(lambda: not server.processes(), lambda: "the end of the new master" + server.story())
        else:
            assert server.stop(signo) == 0

    assert not server.reports("crash")
    assert not server.leftovers()


# -- killed at any moment


MOMENTS = 100 if FULL else 8
STEPS = """
import os, time
import bootcheck

out = os.open(os.path.join({home!r}, "trace-%d" % os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def tell(word):
    os.write(out, (word + "\\n").encode())

for name in ("load settings", "load model", "load routes"):
    tell("entering " + name)
    with bootcheck.step(name):
        tell("in " + name)
        time.sleep(0.15)
        tell("leaving " + name)
    tell("after " + name)
tell("end")
"""


def possible_steps(trace: str, role: str, *, preload: bool) -> set[str | None]:
    """Return the steps that may be the last true one, by what the app itself has written down."""
    verb, _, name = (trace.splitlines() or [""])[-1].partition(" ")
    outer = "server.boot" if role == "master" else "worker.boot"
    if verb == "in":
        return {name}
    if verb in ("entering", "leaving"):
        return {"app.load", name}
    if verb == "after":
        return {"app.load"}
    if verb == "end":
        return {"app.load", outer, "worker.post_worker_init", None}
    # It never came to the app's code, or had it from the master.
    return {outer, None, *(["app.load"] if role == "worker" or preload else [])}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
def test_a_tree_killed_at_any_moment_of_its_boot_is_told_by_the_next(serve, preload):
    """Each process that had a journal has one report, with the step that it was really in."""
    rng = random.Random()
    server = serve(workers=2, options=["--preload"] if preload else [], run=False)
    (server.home / "app.py").write_text(STEPS.format(home=str(server.home)) + HELLO)
    killed: dict[int, str] = {}
    for number in range(MOMENTS // 2):
        server.start()
        wait_until(lambda: any(server.directory.glob("*.jsonl")) or server.returncode is not None, "its first journal")
        if number % 2:
            wait_until(lambda: any(server.home.glob("trace-*")) or server.returncode is not None, "the app's code")
        time.sleep(rng.uniform(0, 0.5))
        os.kill(server.pid, signal.SIGSTOP)
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        wait_until(lambda: not server.processes(), "the end of all")
        for path in server.directory.glob("*.jsonl"):
            # A start that was killed in its sweep leaves the journals of the one before under another name.
            killed[int(path.name.removeprefix(SWEPT).split("-")[1])] = path.read_text()
    ready = len(server.reports("boot", "worker"))
    server.start()
    server.wait_ready(ready + 2)
    assert server.stop() == 0

    found = server.reports("crash")
    told = {report["attributes"]["process.pid"]: report for report in found}
    assert len(told) == len(found), "a death was told twice" + server.story()
    assert set(told) == set(killed)
    for pid, report in told.items():
        trace = server.home / f"trace-{pid}"
        assert report["verdict"]["cause"] == "vanished"
        possible = possible_steps(trace.read_text() if trace.exists() else "", report["role"], preload=preload)
        assert report["step"] in possible, f"{pid}: {report['step']}, not one of {possible}"
        assert report["step"] is not None or report["attributes"]["bootcheck.ready"]
    assert not server.leftovers()
