"""Private touches of Gunicorn: shape first, then patch; what does not fit is listed and left alone."""

from __future__ import annotations

import os
import queue
import sys
import types
from typing import Any

import pytest

from bootcheck.gunicorn import seams


class HaltServer(BaseException):
    """Stands for gunicorn.errors.HaltServer."""

    def __init__(self, reason: str, exit_status: int = 1) -> None:
        self.reason = reason
        self.exit_status = exit_status


class Arbiter:
    """Looks like Gunicorn's as far as we touch it."""

    def __init__(self) -> None:
        self.WORKERS: dict[int, Any] = {}
        self.calls: list[Any] = []
        self.failing = 0

    def setup(self, app: Any) -> str:
        """Take a configuration."""
        self.calls.append(("setup", app))
        return "done"

    def kill_worker(self, pid: int, sig: int) -> None:
        """Send a signal."""
        self.calls.append(("kill", pid, sig))

    def murder_workers(self) -> None:
        """Look for workers that are silent."""
        self.calls.append("murder")

    def spawn_workers(self) -> str:
        """Start workers."""
        self.calls.append("spawn")
        return "spawned"

    def reap_workers(self) -> None:
        """Find dead workers; the first that failed to boot halts the server."""
        self.calls.append("reap")
        if self.failing:
            self.failing -= 1
            message = "Worker failed to boot."
            raise HaltServer(message, 3)

    def halt(self, reason: str | None = None, exit_status: int = 0) -> None:
        """End the server."""
        self.calls.append(("halt", reason, exit_status))


class Other:
    """Looks different everywhere: other parameters, slots, no methods."""

    __slots__ = ("SIG_QUEUE",)

    def kill_worker(self, pid: int, sig: int, why: str) -> None:
        """Take one parameter more."""

    def setup(self, application: Any) -> None:
        """Call it by another name."""

    def spawn_workers(self, *, count: int = 1) -> None:
        """Take a keyword."""

    def halt(self) -> None:
        """Take nothing."""


@pytest.fixture(autouse=True)
def nothing_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No seam has been found wanting yet."""
    monkeypatch.setattr(seams, "_missing", [])


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Stands for gunicorn.arbiter and gunicorn.errors."""
    fake: Any = types.ModuleType("gunicorn.arbiter")
    fake.os = os
    fake.Arbiter = type("Arbiter", (Arbiter,), {"setup": Arbiter.setup})
    errors: Any = types.ModuleType("gunicorn.errors")
    errors.HaltServer = HaltServer
    monkeypatch.setitem(sys.modules, "gunicorn.arbiter", fake)
    monkeypatch.setitem(sys.modules, "gunicorn.errors", errors)
    return fake  # type: ignore[no-any-return]


def test_setup_is_called_before_gunicorns_own(module: Any):
    """Each new configuration passes through us, also on HUP."""
    seen: list[Any] = []
    assert seams.on_setup(seen.append, print)
    app = types.SimpleNamespace(cfg="the configuration")

    assert module.Arbiter().setup(app) == "done"
    module.Arbiter().setup(types.SimpleNamespace())
    assert seen == ["the configuration"]


def test_waiting_tells_the_resource_usage_too(module: Any):
    """And may show Gunicorn another status; a fork is told to the parent; all else of `os` is as it was."""
    taken: list[tuple[int, int, Any]] = []

    def receive(pid: int, status: int, usage: Any) -> int | None:
        taken.append((pid, status, usage))
        return 1 << 8 if os.WEXITSTATUS(status) == 3 else None

    born: list[int] = []
    assert seams.on_wait(receive, born.append)
    assert module.os.getpid is os.getpid
    assert module.os.path is os.path
    for code in (3, 5):
        pid = module.os.fork()
        if pid == 0:
            os._exit(code)
        assert born[-1] == pid
        assert module.os.waitpid(pid, 0) == (pid, (1 if code == 3 else 5) << 8)
        assert taken[-1][:2] == (pid, code << 8)
        assert taken[-1][2].ru_maxrss > 0
    with pytest.raises(ChildProcessError):
        module.os.waitpid(pid, 0)


def test_no_status_is_lost_to_a_halt_that_comes_after_it(module: Any):
    """Up to 23 Gunicorn raises it in the handler for the next death: here once this one is noted."""
    arbiter = Arbiter()
    assert seams.halt_once(arbiter, lambda: None)
    arbiter.failing = 1
    taken: list[Any] = []

    def receive(*end: Any) -> None:
        arbiter.reap_workers()
        taken.append(end)

    seams.on_wait(receive, print)
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    with pytest.raises(HaltServer):
        module.os.waitpid(pid, 0)

    assert [end[:2] for end in taken] == [(pid, 3 << 8)]


def test_nobody_to_wait_for_is_no_end(module: Any):
    """WNOHANG answers 0 while the children live."""
    taken: list[Any] = []
    seams.on_wait(lambda *end: taken.append(end), print)
    hold, release = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(release)
        os.read(hold, 1)
        os._exit(0)
    try:
        assert module.os.waitpid(pid, os.WNOHANG) == (0, 0)
        assert taken == []
    finally:
        os.close(release)
        os.waitpid(pid, 0)


def test_signals_of_the_master_are_noted_before_they_are_sent():
    """The worker may be dead by the time the call returns."""
    arbiter = Arbiter()
    assert seams.on_kill(arbiter, lambda pid, signo: arbiter.calls.append(("note", pid, signo)))
    arbiter.kill_worker(7, 15)

    assert arbiter.calls == [("note", 7, 15), ("kill", 7, 15)]


def test_each_turn_of_the_loop_looks_around_first():
    """Then does what it did."""
    arbiter = Arbiter()
    assert seams.on_turn(arbiter, lambda: arbiter.calls.append("look"))
    arbiter.murder_workers()

    assert arbiter.calls == ["look", "murder"]


def test_spawns_are_withheld_only_while_it_says_so():
    """The master goes on with its loop; nothing sleeps."""
    arbiter = Arbiter()
    allowed = [False, True]
    assert seams.on_spawn(arbiter, lambda: allowed.pop(0))

    assert arbiter.spawn_workers() is None
    assert arbiter.spawn_workers() == "spawned"
    assert arbiter.calls == ["spawn"]


def test_the_first_failed_worker_halts_and_the_second_does_not_break_the_halt(module: Any):
    """One clean end: `HaltServer` goes on once, then only dead workers are forgotten."""
    arbiter = Arbiter()
    halts: list[str] = []
    assert seams.halt_once(arbiter, lambda: halts.append("halts"))
    arbiter.failing = 1
    with pytest.raises(HaltServer):
        arbiter.reap_workers()

    closed: list[str] = []
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    arbiter.WORKERS = {
        os.getpid(): "alive",
        dead: types.SimpleNamespace(tmp=types.SimpleNamespace(close=lambda: closed.append("closed"))),
    }
    arbiter.halt(reason="x", exit_status=3)
    arbiter.failing = 2
    arbiter.reap_workers()

    assert halts == ["halts"]
    assert ("halt", "x", 3) in arbiter.calls
    assert {os.getpid(): "alive"} == arbiter.WORKERS
    assert closed == ["closed"]


def test_a_method_is_replaced_on_one_instance():
    """Others keep theirs."""
    one, other = Arbiter(), Arbiter()
    assert seams.around(one, "spawn_workers", lambda original: lambda: f"wrapped {original()}")

    assert one.spawn_workers() == "wrapped spawned"
    assert other.spawn_workers() == "spawned"


def test_a_gunicorn_that_looks_different_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    """Nothing is patched; `missing()` names every touch that did not fit."""
    fake: Any = types.ModuleType("gunicorn.arbiter")
    fake.Arbiter = Other
    fake.os = types.ModuleType("os")
    monkeypatch.setitem(sys.modules, "gunicorn.arbiter", fake)
    monkeypatch.setitem(sys.modules, "gunicorn.errors", types.ModuleType("gunicorn.errors"))
    before = dict(vars(Other))
    other, own_os = Other(), fake.os

    assert not seams.on_setup(print, print)
    assert not seams.on_wait(lambda *end: None, print)
    assert not seams.on_kill(other, print)
    assert not seams.halt_once(other, print)
    assert not seams.on_turn(other, print)
    assert not seams.on_spawn(other, lambda: True)
    assert not seams.around(other, "run", lambda original: original)
    assert not seams.around(other, "kill_worker", lambda original: original)
    assert seams.queued_stop(other, (15,)) is None

    assert dict(vars(Other)) == before
    assert fake.os is own_os
    assert seams.missing() == [
        "gunicorn.arbiter.Arbiter.setup",
        "gunicorn.arbiter.os",
        "arbiter.kill_worker",
        "arbiter.halt",
        "arbiter.murder_workers",
        "arbiter.spawn_workers",
        "Other.run",
        "Other.kill_worker",
        "arbiter.SIG_QUEUE",
    ]


def test_what_is_missing_is_named_once():
    """However many workers are forked."""
    for _ in range(3):
        seams.on_turn(Other(), print)
    assert seams.missing() == ["arbiter.murder_workers"]


def test_without_gunicorn_nothing_is_touched(monkeypatch: pytest.MonkeyPatch):
    """`bootcheck check` runs without a server."""
    for name in ("gunicorn", "gunicorn.arbiter", "gunicorn.errors"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    assert not seams.on_setup(print, print)
    assert not seams.on_wait(lambda *end: None, print)
    assert not seams.halt_once(Arbiter(), print)
    assert seams.version() == ""
    assert not seams.is_app_not_found(ImportError())
    assert not seams.is_halt(HaltServer("x"))
    seams.halt("x", 3)


@pytest.mark.parametrize("make", [list, queue.SimpleQueue], ids=["up to 23", "from 25 on"])
def test_a_lost_stop_signal_is_found_in_either_queue(make: type):
    """The first stop counts; the queue is empty afterwards, and other signals are the master's own."""

    def arbiter(*signals: int) -> Any:
        waiting = make()
        for signo in signals:
            (waiting.append if make is list else waiting.put)(signo)
        return types.SimpleNamespace(SIG_QUEUE=waiting)

    one = arbiter(1, 15, 2)
    assert seams.queued_stop(one, (2, 15)) == 15
    assert seams.queued_stop(one, (2, 15)) is None
    assert seams.queued_stop(arbiter(1, 17), (2, 15)) is None


def test_halting_is_gunicorns_own_exception(module: Any):
    """Its loop knows what to do with it."""
    with pytest.raises(HaltServer) as caught:
        seams.halt("reason", 3)
    assert (caught.value.reason, caught.value.exit_status) == ("reason", 3)
    assert seams.is_halt(caught.value)


def test_the_installed_gunicorn_has_every_seam(monkeypatch: pytest.MonkeyPatch):
    """No touch is missing on a version that is supported, and undoing them leaves no trace."""
    import gunicorn.arbiter
    from gunicorn.app.base import BaseApplication

    class App(BaseApplication):  # type: ignore[misc]
        """The least app that an Arbiter takes."""

        def load_config(self) -> None:
            """Have nothing to load."""

        def load(self) -> Any:
            """Have nothing to run."""

    monkeypatch.setattr(gunicorn.arbiter, "os", os)
    monkeypatch.setattr(gunicorn.arbiter.Arbiter, "setup", gunicorn.arbiter.Arbiter.setup)
    seen: list[Any] = []
    assert seams.on_setup(seen.append, print)
    app = App()
    arbiter = gunicorn.arbiter.Arbiter(app)
    assert seen == [app.cfg]
    assert seams.on_wait(lambda *end: None, print)
    assert seams.on_kill(arbiter, lambda *sent: None)
    assert seams.halt_once(arbiter, lambda: None)
    assert seams.on_turn(arbiter, lambda: None)
    assert seams.on_spawn(arbiter, lambda: True)
    assert seams.around(arbiter, "run", lambda original: original)
    assert seams.queued_stop(arbiter, (15,)) is None
    for name in ("init_process", "load_wsgi", "init_signals"):
        worker = object.__new__(app.cfg.worker_class)
        assert seams.around(worker, name, lambda original: original)
    assert seams.app_error_code(arbiter) == (3, 4)
    assert seams.version() == gunicorn.__version__
    assert seams.missing() == []


def test_a_missing_app_is_known_by_gunicorns_own_error():
    """Not by its text."""
    from gunicorn.errors import AppImportError

    assert seams.is_app_not_found(AppImportError(""))
    assert not seams.is_app_not_found(ImportError("Failed to find attribute 'app' in 'app'."))


# -- requests


class Worker:
    """Looks like a worker of Gunicorn's."""

    wsgi_handler = None

    def handle_request(self, listener, req, client, addr):
        """Serve one request."""
        return listener, req


def marked(original: Any, position: int) -> Any:
    """Return a wrapper that tells where the request stands."""
    return lambda *args: (position, original(*args))


def test_the_method_that_serves_a_request_is_wrapped_at_the_requests_place():
    """On this worker only; a class without such a method is left alone."""
    worker = Worker()
    assert seams.on_request(worker, marked, repr)
    assert worker.handle_request("l", "r", "c", "a") == (1, ("l", "r"))
    assert Worker().handle_request("l", "r", "c", "a") == ("l", "r")
    assert not seams.on_request(object(), marked, repr)


def test_an_asgi_workers_app_is_replaced():
    """Its protocol reads the attribute for each connection."""
    worker = types.SimpleNamespace(asgi=len)
    assert seams.on_request(worker, marked, lambda app: (app, "watched"))
    assert worker.asgi == (len, "watched")


def test_requests_that_another_server_handles_are_not_watched():
    """gevent_pywsgi has a handler class of its own and never calls the method."""
    worker = Worker()
    worker.wsgi_handler = object()
    assert not seams.on_request(worker, marked, repr)
    assert "handle_request" not in vars(worker)


def test_a_handler_of_another_shape_is_said_to_be_missing(monkeypatch):
    """It is left as it is."""
    monkeypatch.setattr(seams, "_missing", [])

    class Other:
        def handle_request(self, *args):
            """Serve one request."""

    worker = Other()
    assert not seams.on_request(worker, marked, repr)
    assert seams.missing() == ["worker.handle_request"]
    assert "handle_request" not in vars(worker)
