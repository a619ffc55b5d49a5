"""The guard of pools where no server is needed; tests/integration has the real ones."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

import pytest

from bootcheck.guards import fresh_pools
from bootcheck.guards.fresh_pools import Snapshot
from bootcheck.guards.inherited import Inherited
from bootcheck.probes.sockets import inode_of
from bootcheck.recorder import Recorder
from bootcheck.sinks.memory import Memory
from tests.unit.children import forked, interpreter

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="there is no /proc here")


@pytest.fixture
def inherited():
    """A connection whose other end is in this test."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    with ours, theirs:
        theirs.settimeout(30)
        yield ours, theirs


def entry(ours: socket.socket, owner: str | None) -> Inherited:
    """Return the snapshot's entry of a connection."""
    return Inherited(fd=ours.fileno(), inode=inode_of(ours.fileno()) or 0, peer="db:5432", owner=owner)


def seen(**more: Any) -> Inherited:
    """Return an entry of a connection that need not exist."""
    return Inherited(fd=3, inode=1, peer="db:1", **more)


def test_an_identified_connection_is_dead_in_the_worker_and_alive_in_the_master(inherited):
    """What the worker sends or closes never reaches the server."""
    ours, theirs = inherited
    snapshot = Snapshot(repair=True, inherited=(entry(ours, "postgresql://app:***@db/app"),))
    pytest.importorskip("sqlalchemy.engine")

    def worker() -> Any:
        records = fresh_pools.in_child(snapshot, Recorder())
        try:
            ours.sendall(b"goodbye")
            sent = True
        except OSError:
            sent = False
        ours.shutdown(socket.SHUT_RDWR) if sent else None
        ours.close()
        return [[record["action"] for record in records], sent]

    told, _ = forked(worker)
    ours.sendall(b"still here")

    assert told == [["neutralised"], False]
    assert theirs.recv(100) == b"still here"


def test_an_unidentified_connection_is_left_alone(inherited):
    """It may be a debugger's: it is reported, and works as before."""
    ours, theirs = inherited
    snapshot = Snapshot(repair=True, inherited=(entry(ours, None),))

    def worker() -> Any:
        records = fresh_pools.in_child(snapshot, Recorder())
        ours.sendall(b"from the worker")
        return [record["action"] for record in records]

    told, _ = forked(worker)

    assert told == ["reported"]
    assert theirs.recv(100) == b"from the worker"


def test_a_number_that_now_means_another_socket_is_left_alone(inherited):
    """Only what the snapshot saw, by its inode: another library's fork handler may have opened its own."""
    ours, theirs = inherited
    other = Inherited(fd=ours.fileno(), inode=1, peer="db:5432", owner="postgresql://app:***@db/app")
    snapshot = Snapshot(repair=True, inherited=(other,))

    def worker() -> Any:
        records = fresh_pools.in_child(snapshot, Recorder())
        ours.sendall(b"mine")
        return records

    told, _ = forked(worker)

    assert told == []
    assert theirs.recv(100) == b"mine"


def test_one_worker_changes_nothing(inherited):
    """repair=False: reported only."""
    ours, theirs = inherited
    snapshot = Snapshot(repair=False, inherited=(entry(ours, "postgresql://app:***@db/app"),))

    def worker() -> Any:
        records = fresh_pools.in_child(snapshot, Recorder())
        ours.sendall(b"works")
        return [record["action"] for record in records]

    told, _ = forked(worker)

    assert told == ["reported"]
    assert theirs.recv(100) == b"works"


def test_what_was_done_is_recorded():
    """As guard records of the report, a checkpoint, and a finding."""
    memory = Memory()
    snapshot = Snapshot(repair=True, closed={"postgresql://app:***@db/app": 3})
    fresh_pools.in_child(snapshot, Recorder([memory]))
    kinds = [record["t"] for record in memory.records]

    assert kinds.count("guard") == 1
    assert kinds.count("finding") == 1
    assert [record["name"] for record in memory.records if record["t"] == "checkpoint"] == ["guard.fresh_pools"]


def test_nothing_inherited_is_nothing_said():
    """A healthy app has no entry in its report."""
    memory = Memory()

    assert fresh_pools.in_child(Snapshot(repair=True), Recorder([memory])) == []
    assert memory.records == []


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        (Snapshot(), []),
        (Snapshot(repair=True, closed={"x": 1}), [("BC201", "info")]),
        (Snapshot(repair=True, inherited=(seen(owner="x"),)), [("BC201", "info")]),
        (Snapshot(repair=True, inherited=(seen(),)), [("BC204", "warning")]),
        (Snapshot(repair=False, inherited=(seen(),)), [("BC204", "info")]),
        (Snapshot(repair=True, inherited=(seen(owner="x", remedy="cut", raw=True),)), [("BC202", "warning")]),
        (Snapshot(repair=False, inherited=(seen(owner="x", remedy="cut", raw=True),)), [("BC202", "info")]),
        (Snapshot(repair=True, inherited=(seen(owner="x", remedy="cut"),)), [("BC203", "warning")]),
    ],
)
def test_findings(snapshot, expected):
    """A warning only where workers share what nobody could repair."""
    found = fresh_pools.findings(snapshot)

    assert [(finding.code, finding.severity.value) for finding in found] == expected
    assert all(finding.action and finding.evidence for finding in found)


def test_it_never_raises(monkeypatch):
    """A bug of ours must not stop a fork, nor a worker."""

    def broken(*arguments: object) -> None:
        msg = "a bug"
        raise ZeroDivisionError(msg)

    monkeypatch.setattr(fresh_pools, "connected", broken)
    snapshot = fresh_pools.before_fork(4)

    assert snapshot.trouble is not None
    assert "ZeroDivisionError" in snapshot.trouble
    monkeypatch.setattr(fresh_pools, "_in_child", broken)
    (record,) = fresh_pools.in_child(snapshot, Recorder())
    assert record["action"] == "failed"


def test_without_a_connection_nothing_is_loaded_or_scanned():
    """Most servers: a look at the descriptors, and that is all."""
    done = interpreter(
        """
import json, sys
from bootcheck.guards import fresh_pools
before = set(sys.modules)
snapshot = fresh_pools.before_fork(4)
refused = fresh_pools.before_start(4)
print(json.dumps([snapshot.trouble, len(snapshot.inherited), len(refused), sorted(set(sys.modules) - before)]))
"""
    )

    assert json.loads(done.stdout) == [None, 0, 0, []], done.stderr


def test_gunicorns_own_thread_is_no_reason_to_keep_connections():
    """Only threads of the app may use its pool."""
    done = interpreter(
        """
import json, threading
from bootcheck.guards import inherited

class Server:
    def run(self):
        threading.Event().wait()
Server.__module__ = "gunicorn.ctl.server"
before = inherited.other_threads()
threading.Thread(target=Server().run, daemon=True).start()
gunicorns = inherited.other_threads()
threading.Thread(target=threading.Event().wait, daemon=True).start()
print(json.dumps([before, gunicorns, inherited.other_threads()]))
"""
    )

    assert json.loads(done.stdout) == [False, False, True], done.stderr
