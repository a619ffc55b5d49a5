"""The death matrix: every kind of death × worker class × preload × interpreter, made and judged.

`test_matrix.py` makes a covering subset under pytest, or all; `matrix_run.py` makes all and writes the page.
"""

from __future__ import annotations

import os
import signal
import textwrap
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.deaths import EVERY_CLASS, KINDS, LOOPED, Kind, Moment
from tests.integration.harness import Interpreter, Server, alive, functions_of, sleeps, wait_until

GROUPS = "/sys/fs/cgroup/memory"
MEMORY_LIMIT = 220 << 20
GRACE = 3.0
"""Seconds for what may or may not end a worker, depending on its class."""

FATE = """
import importlib, os

def call(moment):
    \"\"\"Call the next `doomed` function that is meant for this moment, once.\"\"\"
    path = os.path.join({home!r}, "next-" + moment)
    mine = "%s-%d" % (path, os.getpid())
    try:
        os.rename(path, mine)
    except FileNotFoundError:
        return None
    with open(mine) as file:
        number = file.read()
    return importlib.import_module("doomed" + number).doomed()

def here():
    open(os.path.join({home!r}, "doomed-%d" % os.getpid()), "w").close()
"""
DOOMED = """
import fate

{keyword} doomed():
    fate.here()
{body}
"""
APP = """
import os
import fate

def create():
    fate.call("factory")
    return app

fate.call("import")
"""
WSGI = """
def app(environ, start_response):
    if environ["PATH_INFO"] == "/die":
        fate.call("request")
    if environ["PATH_INFO"] == "/leave":
        os._exit(0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""
ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        failure = fate.call("lifespan")
        if hasattr(failure, "__await__"):
            failure = await failure
        if failure:
            await send({"type": "lifespan.startup.failed", "message": failure})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/die":
        fate.call("request")
    if scope["path"] == "/leave":
        os._exit(0)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})
"""
CONFIG = """
import bootcheck
import bootcheck.checks

def _fate(moment):
    import fate
    fate.call(moment)

def post_fork(server, worker):
    _fate("post_fork")

def pre_fork(server, worker):
    _fate("pre_fork")

def post_worker_init(worker):
    _fate("post_worker_init")

def on_starting(server):
    _fate("on_starting")

def when_ready(server):
    _fate("when_ready")

bootcheck.arm(globals(), checks=[{declared}])
"""


@dataclass(frozen=True)
class Cell:
    """One combination."""

    base: Kind
    worker_class: str
    preload: bool
    python: Interpreter

    @property
    def kind(self) -> Kind:
        """The kind as it is in this cell."""
        return self.base.under(preload=self.preload)

    @property
    def label(self) -> str:
        """A name for test ids and messages."""
        return f"{self.base.name} [{self.worker_class}{', preload' if self.preload else ''}, {self.python.label}]"

    def lacks(self) -> str | None:
        """Return why this cell does not exist here, or None."""
        missing = self.python.lacks(self.worker_class)
        if missing is not None:
            return missing
        if self.base.memory and not can_limit_memory():
            return "no memory control group can be made here"
        return self.base.lacks(self.worker_class, preload=self.preload)

    @property
    def known_miss(self) -> str | None:
        """Why this cell's report is known not to be as it must be, or None."""
        if (
            self.base.name == "sys.exit(1) in a request"
            and self.worker_class == "gthread"
            and self.python.gunicorn < (21,)
        ):
            return "the thread pool of Gunicorn 20 keeps the exception: nothing dies, and nothing answers"
        return self.base.missed.get(self.worker_class)

    @property
    def ends_server(self) -> bool:
        """True where the server itself is over then, and a next start is needed."""
        kind = self.kind
        return kind.halts is not None or kind.role == "master" or kind.to != "victim"

    @property
    def company(self) -> tuple[Any, ...] | None:
        """Cells with the same answer can die one after the other in one place; None: this one cannot."""
        kind = self.kind
        never_ends = self.preload and kind.moment is Moment.IMPORT and kind.cause is None
        # Who survives an optional one may be unfit to serve: Gunicorn's thread pool loses a thread to SystemExit.
        if never_ends or kind.optional or self.known_miss or kind.target != "app:app" or kind.declared:
            return None
        where = (self.python.path, self.worker_class, self.preload)
        return (self.ends_server, *where, kind.memory, *kind.options, *kind.environ.items())


def cells(pythons: Iterable[Interpreter]) -> Iterator[Cell]:
    """Yield the full product, cells that do not exist included."""
    for python in pythons:
        for kind in KINDS:
            for worker_class in EVERY_CLASS:
                for preload in (False, True):
                    yield Cell(kind, worker_class, preload, python)


def covering(python: Interpreter) -> list[Cell]:
    """Return a subset with every kind at least once, and every class with and without preload."""
    chosen = []
    for number, kind in enumerate(KINDS):
        there = [
            cell
            for worker_class in EVERY_CLASS
            for preload in (False, True)
            if (cell := Cell(kind, worker_class, preload, python)).lacks() is None and cell.known_miss is None
        ]
        if there:
            # One after the other visits every combination, however many there are.
            chosen.append(there[number % len(there)])
    return chosen


def companies(wanted: Iterable[Cell]) -> list[list[Cell]]:
    """Return the cells in groups that share a server."""
    groups: dict[Any, list[Cell]] = {}
    for cell in wanted:
        groups.setdefault(cell.company or id(cell), []).append(cell)
    return list(groups.values())


# -- making a death ---------------------------------------------------------------------------------


def run(cell: Cell, home: Path, opening: str = "") -> list[dict[str, Any]]:
    """Make the death of one cell in a server of its own and return its reports.

    AssertionError says what is not as it must be. `opening` stands at the beginning of the configuration file.
    """
    with server_of([cell], home, opening) as server:
        kind = cell.kind
        prepare(server, kind, 0)
        server.start()
        if kind.moment in (Moment.REQUEST, Moment.IDLE):
            current(server)
        victims = happen(server, kind)
        settle(server, kind, victims)
        judge(server, kind, victims, server.reports())
        assert not server.leftovers(), f"left behind: {server.leftovers()}"
        return server.reports()


def run_together(company: list[Cell], home: Path) -> list[Cell]:
    """Make deaths one after the other in one place; return the cells that were as they must be.

    What is not among them is to be made alone: nobody knows yet whose fault it was.
    """
    done: list[Cell] = []
    try:
        with server_of(company, home) as server:
            if company[0].ends_server:
                done = in_turn(server, company)
            else:
                server.start()
                current(server)
                for number, cell in enumerate(company):
                    one_of_many(server, cell.kind, number)
                    done.append(cell)
                assert server.stop(stop_of(server)) == 0
            assert not server.leftovers()
    except AssertionError:
        return [] if len(done) == len(company) else done
    return done


def in_turn(server: Server, company: list[Cell]) -> list[Cell]:
    """Start the server once per kind, each of which ends it; the last start tells what is untold, and serves."""
    victims: list[list[int]] = []
    for number, cell in enumerate(company):
        kind = cell.kind
        for path in server.home.glob("doomed-*"):
            path.unlink()
        prepare(server, kind, number)
        server.start()
        if kind.moment in (Moment.REQUEST, Moment.IDLE):
            current(server)
        victims.append(happen(server, kind))
        code = server.wait()
        assert kind.halts is None or code == kind.halts, f"{cell.label}: exited with {code}, not {kind.halts}"
        wait_until(lambda: not server.processes(), "the end of all processes")
    server.start()
    current(server)
    answer(server)
    assert server.stop(stop_of(server)) == 0
    found = server.reports()
    told: set[str] = set()
    for cell, pids in zip(company, victims, strict=True):
        mine = [report for report in found if report["attributes"]["process.pid"] in pids]
        told |= {report["report_id"] for report in mine}
        judge(server, cell.kind, pids, mine)
    assert len(told) == len(found), "somebody else was told dead"
    return list(company)


def one_of_many(server: Server, kind: Kind, number: int) -> None:
    """Let one kind happen to a server that serves, and see it serve again."""
    known = {report["report_id"] for report in server.reports()}
    for path in server.home.glob("doomed-*"):
        path.unlink()
    prepare(server, kind, number)
    worker = current(server)
    if kind.moment not in (Moment.REQUEST, Moment.IDLE):
        # Its successor meets the fate.
        server.get_in_vain("/leave")
        wait_until(lambda: not alive(worker), lambda: "room for a successor" + server.story())
    victims = happen(server, kind)

    def found() -> list[dict[str, Any]]:
        return [report for report in server.reports() if report["report_id"] not in known]

    await_end(server, kind, victims, found)
    current(server)
    answer(server)
    judge(server, kind, victims, found())


@contextmanager
def server_of(company: list[Cell], home: Path, opening: str = "") -> Iterator[Server]:
    """Yield the server of these cells, not started; it is stopped and judged at the end."""
    cell, kind = company[0], company[0].kind
    files: dict[str, str] = {"fate.py": FATE.format(home=str(home))}
    for number, one in enumerate(company):
        body = one.kind.body
        keyword = "async def" if "await " in body else "def"
        files[f"doomed{number}.py"] = DOOMED.format(keyword=keyword, body=textwrap.indent(body, "    "))
        files |= one.kind.files
    with memory_group(kind) as prefix:
        server = Server(
            home,
            cell.python,
            app=APP + (ASGI if cell.worker_class in LOOPED else WSGI),
            config=opening + CONFIG.format(declared=kind.declared),
            worker_class=cell.worker_class,
            options=[*(["--preload"] if cell.preload else []), *kind.options],
            target=kind.target,
            environ=kind.environ,
            files=files,
            prefix=prefix,
        )
        try:
            yield server
        finally:
            server.finish()


def prepare(server: Server, kind: Kind, number: int) -> None:
    """Say which `doomed` is the next to be called, and when."""
    moment = kind.hook or ("factory" if kind.target.endswith("()") else kind.moment.value)
    path = server.home / "next"
    path.write_text(str(number), encoding="ascii")
    path.rename(server.home / f"next-{moment}")


def current(server: Server) -> int:
    """Wait for the one worker that is ready; return its pid."""

    def ready() -> int | None:
        assert server.returncode is None, f"the server ended with {server.returncode}{server.story()}"
        pids = children(server.pid)
        booted = {report["attributes"]["process.pid"] for report in server.reports("boot", "worker")}
        return pids[0] if len(pids) == 1 and pids[0] in booted else None

    return int(wait_until(ready, lambda: "a worker that is ready" + server.story()))


def children(pid: int) -> list[int]:
    """Return the pids of the living children of a process."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [child for child in map(int, text.split()) if alive(child)]


def happen(server: Server, kind: Kind) -> list[int]:
    """Let it happen; return the pids of those whose deaths must be reported, empty where nobody can know."""
    if kind.moment is Moment.IDLE:
        victim = current(server)
    elif kind.target in ("nowhere:app", "app:nope") or kind.declared:
        return []
    else:
        if kind.moment is Moment.REQUEST:
            threading.Thread(target=server.get_in_vain, args=("/die",), daemon=True).start()
        victim = doomed(server)
    if kind.waits:
        # A signal that comes right before a system call is seen by Python only after it.
        wait_until(lambda: sleeps(victim), lambda: "a process that waits" + server.story())
        if "asyncio.sleep" in kind.body:
            time.sleep(1)
    if kind.to == "tree":
        victims = sorted({server.pid, *server.workers()})
        os.kill(server.pid, signal.SIGSTOP)
        for pid in sorted(victims, key=lambda pid: pid == server.pid):
            os.kill(pid, kind.signo)
        return victims
    if kind.signo:
        os.kill(server.pid if kind.to == "master" else victim, kind.signo)
    return [server.pid] if kind.role == "master" else [victim]


def doomed(server: Server) -> int:
    """Return the pid of the process that has come to `doomed()`."""
    (path,) = wait_until(lambda: list(server.home.glob("doomed-*")), lambda: "the doomed function" + server.story())
    return int(path.name.partition("-")[2])


def settle(server: Server, kind: Kind, victims: list[int]) -> None:
    """Wait for the report and for a server that serves again, started once more where it is gone; stop it."""
    await_end(server, kind, victims, server.reports)
    survived = kind.optional and not server.reports()
    if (kind.halts is not None or kind.role == "master" or server.returncode is not None) and not survived:
        code = server.wait()
        assert kind.halts is None or code == kind.halts, f"the server exited with {code}, not {kind.halts}"
        if kind.cause is None or len(server.reports()) >= kind.count:
            return
        # Nobody was left to tell: the next start does.
        wait_until(lambda: not server.processes(), "the end of all processes", 20)
        server.start()
    current(server)
    if not survived:
        answer(server)
    assert server.stop(stop_of(server)) == 0, "the stop of a healthy server failed"


def await_end(server: Server, kind: Kind, victims: list[int], found: Any) -> None:
    """Wait until it has happened."""
    until = time.monotonic() + GRACE

    def over() -> bool:
        if server.returncode is not None or found():
            return True
        perhaps = kind.optional or kind.cause is None
        return perhaps and (time.monotonic() > until or not (kind.ends or kind.optional or kind.halts is not None))

    def ended() -> bool:
        return over() or (kind.cause is None and kind.ends and not any(map(alive, victims)))

    wait_until(ended, lambda: "a death" + server.story())
    if kind.optional and not found():
        # Some worker classes survive it, and somebody who lives has no report.
        assert all(map(alive, victims)), f"a death without a report: {victims}"


def stop_of(server: Server) -> signal.Signals:
    """Return the signal for an ordered stop: Gunicorn 25's asgi worker waits for connections that are long over."""
    return signal.SIGQUIT if server.kind == "asgi" and server.python.gunicorn < (26,) else signal.SIGTERM


def answer(server: Server) -> None:
    """See the server answer: the one before may still be on its way out."""

    def serves() -> bool:
        with suppress(OSError, ValueError):
            return server.get()[0] == 200
        return False

    wait_until(serves, lambda: "an answer" + server.story())


def judge(server: Server, kind: Kind, victims: list[int], found: list[dict[str, Any]]) -> None:
    """Hold reports against what the kind expects."""
    told = [(one["role"], one["verdict"]["cause"], one["step"], one["attributes"]["process.pid"]) for one in found]
    if kind.optional and not found:
        return
    expected = 0 if kind.cause is None else kind.count
    assert len(found) == expected, f"{len(found)} reports, not {expected}: {told}"
    for report in found:
        assert report["verdict"]["cause"] == kind.cause, f"{told}: not {kind.cause}"
        if kind.count == 1 or report["role"] == "worker":
            assert report["step"] == kind.step, f"{told}: not {kind.step}"
        if kind.count == 1:
            assert report["role"] == kind.role, f"{told}: not {kind.role}"
        names = functions_of(report)
        seen = any(name.partition(".")[0] == "doomed" for name in names)
        assert seen or not kind.stack, f"no stack of the place: {names}"
    pids = sorted(told_pid for *_, told_pid in told)
    assert not victims or not found or pids == sorted(victims), f"pids {pids}, not {victims}"


# -- memory control groups --------------------------------------------------------------------------


def can_limit_memory() -> bool:
    """Tell whether a memory control group (v1) can be made here."""
    path = f"{GROUPS}/bootcheck-probe-{os.getpid()}-{time.monotonic_ns()}"
    try:
        os.mkdir(path)
        os.rmdir(path)
    except OSError:
        return False
    return os.path.exists(f"{GROUPS}/memory.limit_in_bytes")


@contextmanager
def memory_group(kind: Kind) -> Iterator[list[str]]:
    """Yield the words that start a command in a memory group of its own, where the kind needs one."""
    if not kind.memory:
        yield []
        return
    path = f"{GROUPS}/bootcheck-{os.getpid()}-{time.monotonic_ns()}"
    os.mkdir(path)
    try:
        Path(path, "memory.limit_in_bytes").write_text(str(MEMORY_LIMIT), encoding="ascii")
        yield ["/bin/sh", "-c", f'echo $$ > {path}/cgroup.procs && exec "$@"', "sh"]
    finally:
        wait_until(lambda: _removed(path), "the group's end", 10)


def _removed(path: str) -> bool:
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True
