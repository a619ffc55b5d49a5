"""What the dirty arbiter's receiver decides: pauses, and ends that are no deaths."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import pytest

pytest.importorskip("gunicorn")

from bootcheck.gunicorn.child import Child
from bootcheck.gunicorn.dirty_receiver import DirtyReceiver, shared
from bootcheck.gunicorn.verdict import Death
from bootcheck.model.boot import Boot
from bootcheck.model.cause import Cause
from bootcheck.probes.cgroup import Kills


def receiver(notes=None, *, alive=True):
    """Return a receiver of a dirty arbiter that is this process."""
    console = SimpleNamespace(note=(notes if notes is not None else []).append)
    own = SimpleNamespace(kills=Kills(None))
    master = SimpleNamespace(
        console=console,
        orders=SimpleNamespace(current=None),
        is_here=False,
        receiver=own,
        dirty=None,
        arbiter=None,
        drops_privileges=False,
    )
    return DirtyReceiver(master, SimpleNamespace(alive=alive))


def report(role="dirty-worker", cause=Cause.EXCEPTION, uptime=0.1):
    """Return what is looked at of a report."""
    verdict = SimpleNamespace(cause=cause, code="BC501", summary="It died.")
    return SimpleNamespace(role=role, verdict=verdict, attributes={"bootcheck.worker.uptime_s": uptime})


def test_failed_starts_make_growing_pauses_that_are_said_once():
    """Each one that dies before it is ready doubles the pause; one that was ready ends it."""
    notes: list[str] = []
    kept = receiver(notes)
    assert kept.may_spawn()
    pauses = []
    for _ in range(3):
        kept._count(ready=False, report=report())
        assert not kept.may_spawn()
        pauses.append(round(kept.breaker.pause))
    assert pauses == [1, 2, 4]
    assert len(notes) == 1
    kept._count(ready=True, report=report())
    assert kept.may_spawn()


def test_signals_from_outside_make_no_pause_at_first():
    """Whoever kills it, it is not the app's start that fails."""
    kept = receiver()
    for _ in range(9):
        kept._count(ready=False, report=report(cause=Cause.SIGKILL_EXTERNAL))
    assert kept.may_spawn()


@pytest.mark.parametrize(("uptime", "may"), [(0.5, False), (60.0, True)])
def test_a_dirty_arbiter_that_dies_young_counts_although_it_listened(uptime, may):
    """A hook that raises at its first fork would start it again without end."""
    kept = receiver()
    kept._count(ready=True, report=report(role="dirty-arbiter", uptime=uptime))
    assert kept.may_spawn() is may


@pytest.mark.parametrize(
    ("alive", "signo", "status", "ready", "told"),
    [
        (True, signal.SIGTERM, 143 << 8, False, True),
        (True, signal.SIGTERM, int(signal.SIGTERM), False, True),
        (True, signal.SIGTERM, 3 << 8, False, False),
        (False, signal.SIGTERM, 143 << 8, False, False),
        (True, signal.SIGABRT, 143 << 8, False, False),
    ],
    ids=["retired", "by-signal", "failed-meanwhile", "server-stops", "timeout"],
)
def test_one_too_many_is_no_death(alive, signo, status, ready, told):
    """What a reload started and took away is no death; a stop of the whole in mid-boot is one."""
    kept = receiver(alive=alive)
    child = kept._children[4711] = Child(SimpleNamespace(age=1), -1, "dirty-worker")
    kept.sent(4711, signo)
    death = Death(boot=Boot(head={"role": "dirty-worker"}), status=status)
    assert kept._retired(child, death) is told


def test_a_memory_kill_is_counted_by_one_receiver_only():
    """The cell is shared over a fork."""
    cell = shared([7])
    pid = os.fork()
    if not pid:
        cell[0] = 8
        os._exit(0)
    os.waitpid(pid, 0)
    assert cell[0] == 8
    assert shared([None]) == [None]
