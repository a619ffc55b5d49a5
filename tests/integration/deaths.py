"""The kinds of death, as data: how each is made, and what its report must say.

`matrix.py` makes them with real servers; `test_matrix.py` runs a covering subset of the cells, or all.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

EVERY_CLASS = ("sync", "gthread", "gevent", "asgi", "uvicorn")
LOOPED = ("asgi", "uvicorn")
"""Classes with a lifespan."""


class Moment(str, Enum):
    """Where in the life of a server `doomed()` is called."""

    IMPORT = "import"
    """By the app's module, in the first process that imports it."""
    HOOK = "hook"
    """By a hook of the configuration file (`Kind.hook`), in the first process that runs it."""
    LIFESPAN = "lifespan"
    """By the app's lifespan start, in the first worker."""
    REQUEST = "request"
    """By a request to a worker that is ready."""
    IDLE = "idle"
    """Not at all: the signal finds a server that is ready and does nothing."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of death: what `doomed()` does, what is done to it from outside, what must be reported."""

    name: str
    moment: Moment
    body: str = "pass"
    """What `doomed()` does."""
    waits: bool = False
    """It blocks there, and the signal is sent once it does."""
    signo: int = 0
    to: str = "victim"
    """Who gets the signal: the victim, the `master`, or the `tree` (everybody)."""
    hook: str = ""
    options: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    target: str = "app:app"
    declared: str = ""
    """A declared check, as an expression."""
    memory: bool = False
    """Runs in a memory control group of its own."""
    classes: tuple[str, ...] = EVERY_CLASS
    halts: int | None = None
    """What the server exits with; None where it starts another worker, which serves."""
    cause: str | None = None
    """None where it is no death, and nothing may be reported."""
    step: str | None = None
    role: str = "worker"
    stack: bool = True
    """`doomed` must be on the stacks: False where no process can tell any more, or none was there."""
    optional: bool = False
    """Some worker classes survive it: then it is no death there."""
    ends: bool = False
    """Where it is no death: the victim ends all the same, in order."""
    count: int = 1
    """Processes that die of it."""
    preload: Mapping[str, object] | None = field(default_factory=dict)
    """What is otherwise under `--preload`; None where it does not exist there."""
    why_not: str = ""
    """Why it does not exist under `--preload`, or for the other classes."""
    missed: Mapping[str, str] = field(default_factory=dict)
    """Worker classes in which the report lacks something, and why: a miss that is known."""

    def under(self, *, preload: bool) -> Kind:
        """Return the kind as it is with or without `--preload`."""
        if not preload:
            return self
        changed = dict(self.preload or {})
        if self.moment is Moment.IMPORT and self.cause is not None:
            # The first process that imports the app is the master then.
            changed = {"role": "master", "count": 1, "halts": None, **changed}
        return replace(self, **changed)  # type: ignore[arg-type]

    def lacks(self, worker_class: str, *, preload: bool) -> str | None:
        """Return why there is no such cell, or None."""
        if worker_class not in self.classes:
            return self.why_not or "a worker class without lifespan"
        if preload and self.preload is None:
            return self.why_not
        return None


SILENT = {"cause": "vanished", "stack": False}
"""A master that disappears without a word is found by the next start."""
SLEEP = "import time\ntime.sleep(60)"
LOCK = "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire(timeout=60)"
RECV = "import socket\nours, theirs = socket.socketpair()\nours.recv(1)"
MUTEX = """
import ctypes, time
libc = ctypes.{library}(None)
mutex = ctypes.create_string_buffer(64)
until = (ctypes.c_long * 2)(int(time.time()) + {seconds}, 0)
libc.pthread_mutex_lock(mutex)
libc.pthread_mutex_timedlock(mutex, until)
""".strip()
GIL_FREE = MUTEX.format(library="CDLL", seconds=60)
GIL_HELD = MUTEX.format(library="PyDLL", seconds=60)
"""C code that no signal interrupts, without and with Python's lock."""
SEGFAULT = "import ctypes\nctypes.string_at(0)"
ABORT = "import os\nos.abort()"
BUS = """
import mmap, tempfile
file = tempfile.TemporaryFile()
file.truncate(8192)
beyond = mmap.mmap(file.fileno(), 8192)
file.truncate(0)
beyond[4096]
""".strip()
MACHINE_CODE = """
import ctypes, mmap, platform, signal
if platform.machine() != "x86_64":
    signal.raise_signal(signal.{name})
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write({code})
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
""".strip()
ILL = MACHINE_CODE.format(name="SIGILL", code=r'b"\x0f\x0b"')
FPE = MACHINE_CODE.format(name="SIGFPE", code=r'b"\x31\xc0\x31\xd2\x31\xc9\xf7\xf1"')
NATIVE_THREAD = """
import ctypes
libc = ctypes.CDLL(None)
thread = ctypes.c_ulong()
libc.pthread_create(ctypes.byref(thread), None, ctypes.cast(libc.strlen, ctypes.c_void_p), None)
libc.sleep(60)
""".strip()
HOARD = 'hoard = []\nwhile True:\n    hoard.append(b"x" * (8 << 20))'
THREAD_EXIT = "import sys, threading\nt = threading.Thread(target=sys.exit, args=(1,))\nt.start()\nt.join()"
RECURSE = "def doomed():\n    return doomed() + 1\ndoomed()"
DEFAULT_ACTION = (
    "import ctypes, os, signal\nctypes.CDLL(None).signal(int(signal.{0}), 0)\nos.kill(os.getpid(), signal.{0})"
)
CPU_LIMIT = """
import resource
used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
resource.setrlimit(resource.RLIMIT_CPU, (int(used) + 1, int(used) + 30))
while True:
    pass
""".strip()
DEADLINE = {"BOOTCHECK_BOOT_DEADLINE": "5"}
NOT_FORKED = "the import is the master's, and the deadline begins with the fork"
AWAIT = "import asyncio\nawait asyncio.sleep(6)"


def _import(name: str, body: str, cause: str | None, **more: object) -> Kind:
    step = None if cause is None else "app.load"
    return Kind(**{"name": name, "moment": Moment.IMPORT, "body": body, "cause": cause, "step": step, **more})  # type: ignore[arg-type]


def _hook(hook: str, name: str, body: str, cause: str, step: str | None, **more: object) -> Kind:
    values = {"name": f"{name} in {hook}", "moment": Moment.HOOK, "hook": hook, "body": body}
    return Kind(**{**values, "cause": cause, "step": step, **more})  # type: ignore[arg-type]


def _lifespan(name: str, body: str, cause: str | None, **more: object) -> Kind:
    step = None if cause is None else "app.lifespan"
    values = {"name": f"lifespan: {name}", "moment": Moment.LIFESPAN, "body": body, "classes": LOOPED}
    return Kind(**{**values, "cause": cause, "step": step, **more})  # type: ignore[arg-type]


def _request(name: str, body: str, cause: str | None, **more: object) -> Kind:
    values = {"name": f"{name} in a request", "moment": Moment.REQUEST, "body": body, "cause": cause}
    return Kind(**{**values, **more})  # type: ignore[arg-type]


def _idle(name: str, signo: int, cause: str | None, **more: object) -> Kind:
    values = {"name": name, "moment": Moment.IDLE, "signo": signo, "cause": cause, "stack": False}
    return Kind(**{**values, **more})  # type: ignore[arg-type]


IMPORTS = (
    _import("exception", "raise ValueError('no such luck')", "exception", halts=3),
    _import(
        "ImportError of a dependency",
        "import dependency",
        "exception",
        halts=3,
        files={"dependency.py": "from os import nothing_of_that_name\n"},
    ),
    _import("missing module of a dependency", "import nowhere_to_be_found", "exception", halts=3),
    _import("missing app module", "pass", "app_not_found", target="nowhere:app", halts=3, stack=False),
    _import("missing app attribute", "pass", "app_not_found", target="app:nope", halts=4, stack=False),
    _import("factory raises", "raise ValueError('no such luck')", "exception", target="app:create()", halts=3),
    _import("syntax error", "exec(compile('def broken(:', 'x.py', 'exec'))", "exception", halts=3),
    _import("MemoryError", "raise MemoryError('too much')", "exception", halts=3),
    _import("RecursionError", RECURSE, "exception", halts=3),
    _import("KeyboardInterrupt raised", "raise KeyboardInterrupt", "exception"),
    _import("sys.exit(0)", "import sys\nsys.exit(0)", "sys_exit"),
    _import("sys.exit(1)", "import sys\nsys.exit(1)", "sys_exit"),
    _import("sys.exit(3)", "import sys\nsys.exit(3)", "sys_exit", halts=3),
    _import("sys.exit('text')", "import sys\nsys.exit('the reason')", "sys_exit"),
    _import("os._exit(0)", "import os\nos._exit(0)", "os_exit", stack=False, preload=SILENT),
    _import("os._exit(1)", "import os\nos._exit(1)", "os_exit", stack=False, preload=SILENT),
    _import("os._exit(4)", "import os\nos._exit(4)", "os_exit", halts=4, stack=False, preload=SILENT),
    _import("SystemExit in a thread", THREAD_EXIT, None),
    _import("SIGSEGV", SEGFAULT, "native_crash"),
    _import("SIGABRT", ABORT, "native_crash"),
    _import("SIGBUS", BUS, "native_crash"),
    _import("SIGILL", ILL, "native_crash"),
    _import("SIGFPE", FPE, "native_crash"),
    _import("SIGSEGV in a native thread", NATIVE_THREAD, "native_crash"),
    _import("out of memory", HOARD, "oom", memory=True, stack=False, preload=SILENT),
    *(
        _import(f"{name} from outside, {block}", body, "sigterm", waits=True, signo=signo)
        for name, signo, block, body in (
            ("SIGTERM", signal.SIGTERM, "sleep", SLEEP),
            ("SIGTERM", signal.SIGTERM, "lock", LOCK),
            ("SIGTERM", signal.SIGTERM, "recv", RECV),
            ("SIGTERM", signal.SIGTERM, "C code with the GIL", MUTEX.format(library="PyDLL", seconds=2)),
            ("SIGINT", signal.SIGINT, "sleep", SLEEP),
            ("SIGQUIT", signal.SIGQUIT, "sleep", SLEEP),
        )
    ),
    *(
        _import(f"{name} to the server", SLEEP, "sigterm", waits=True, signo=signo, to="master", halts=0)
        for name, signo in (("SIGTERM", signal.SIGTERM), ("SIGINT", signal.SIGINT), ("SIGQUIT", signal.SIGQUIT))
    ),
    _import(
        "SIGTERM to the server, C code with the GIL",
        GIL_HELD,
        "sigkill_graceful_timeout",
        waits=True,
        signo=signal.SIGTERM,
        to="master",
        halts=0,
        options=("--graceful-timeout", "3"),
        preload={"cause": "sigterm", "body": MUTEX.format(library="PyDLL", seconds=2)},
    ),
    _import("SIGHUP from outside", SLEEP, "sigterm", waits=True, signo=signal.SIGHUP, stack=False, preload=SILENT),
    _import(
        "SIGKILL from outside",
        SLEEP,
        "sigkill_external",
        waits=True,
        signo=signal.SIGKILL,
        stack=False,
        preload=SILENT,
    ),
    _import(
        "SIGKILL to the whole tree",
        SLEEP,
        "vanished",
        waits=True,
        signo=signal.SIGKILL,
        to="tree",
        stack=False,
        count=2,
    ),
    _import(
        "boot deadline, GIL free",
        SLEEP,
        "boot_deadline",
        environ=DEADLINE,
        preload=None,
        why_not=NOT_FORKED,
        missed={"gevent": "no stack of the place: the watchdog sees threads, and the import waits in a greenlet"},
    ),
    _import("boot deadline, GIL held", GIL_HELD, "boot_deadline", environ=DEADLINE, preload=None, why_not=NOT_FORKED),
)
WORKER_INIT = "worker.post_worker_init"
HOOKS = (
    _hook("post_fork", "exception", "raise LookupError('hook')", "exception", "worker.boot", halts=3),
    _hook("post_fork", "sys.exit(1)", "import sys\nsys.exit(1)", "sys_exit", "worker.boot"),
    _hook("post_fork", "os._exit(1)", "import os\nos._exit(1)", "os_exit", "worker.boot", stack=False),
    _hook("post_fork", "SIGTERM", SLEEP, "sigterm", "worker.boot", waits=True, signo=signal.SIGTERM),
    _hook("post_worker_init", "exception", "raise LookupError('hook')", "exception", WORKER_INIT, halts=3),
    _hook("post_worker_init", "sys.exit(0)", "import sys\nsys.exit(0)", "sys_exit", WORKER_INIT),
    _hook("post_worker_init", "SIGSEGV", SEGFAULT, "native_crash", WORKER_INIT),
    _hook("post_worker_init", "boot deadline", GIL_FREE, "boot_deadline", WORKER_INIT, environ=DEADLINE),
    _hook("on_starting", "exception", "raise LookupError('hook')", "exception", "server.boot", role="master", halts=1),
    _hook("on_starting", "sys.exit(5)", "import sys\nsys.exit(5)", "sys_exit", "server.boot", role="master", halts=5),
    _hook(
        "on_starting",
        "SIGTERM",
        SLEEP,
        "sigterm",
        "server.boot",
        role="master",
        waits=True,
        signo=signal.SIGTERM,
        halts=-signal.SIGTERM,
    ),
    _hook("when_ready", "exception", "raise LookupError('hook')", "exception", None, role="master"),
    _hook("when_ready", "SIGSEGV", SEGFAULT, "native_crash", None, role="master"),
    _hook("pre_fork", "exception", "raise LookupError('hook')", "exception", None, role="master"),
    Kind(
        name="refused by a declared check",
        moment=Moment.IMPORT,
        target="app:app",
        declared='bootcheck.checks.env("A_VARIABLE_THAT_NOBODY_SETS")',
        cause="check_failed",
        step="check.env",
        role="master",
        halts=78,
        stack=False,
        preload={"halts": 78},
    ),
)
LIFESPANS = (
    # Gunicorn 25 serves on.
    _lifespan("startup.failed", "return 'no luck'", "exception", halts=3, stack=False, optional=True),
    _lifespan("raises, unsupported", "raise ValueError('no luck')", None),
    _lifespan(
        "raises, required",
        "raise ValueError('no luck')",
        "exception",
        halts=3,
        stack=False,
        classes=("asgi",),
        why_not="an option of Gunicorn's own asgi worker",
        options=("--asgi-lifespan", "on"),
    ),
    _lifespan("SIGTERM after 1 of 6 s", AWAIT, "sigterm", waits=True, signo=signal.SIGTERM, stack=False),
    _lifespan("SIGTERM, blocking", SLEEP, "sigterm", waits=True, signo=signal.SIGTERM),
    _lifespan(
        "SIGTERM to the server", AWAIT, "sigterm", waits=True, signo=signal.SIGTERM, to="master", halts=0, stack=False
    ),
    _lifespan("boot deadline", GIL_FREE, "boot_deadline", environ=DEADLINE),
    _lifespan("os._exit(1)", "import os\nos._exit(1)", "os_exit", stack=False),
    # Uvicorn takes it for an app without a lifespan, and serves.
    _lifespan("sys.exit(1)", "import sys\nsys.exit(1)", "sys_exit", optional=True),
    _lifespan("SIGSEGV", SEGFAULT, "native_crash"),
)
REQUESTS = (
    _request("SIGSEGV", SEGFAULT, "native_crash"),
    _request("SIGABRT", ABORT, "native_crash"),
    _request("SIGBUS", BUS, "native_crash"),
    _request("SIGILL", ILL, "native_crash"),
    _request("SIGFPE", FPE, "native_crash"),
    _request("SIGSEGV in a native thread", NATIVE_THREAD, "native_crash"),
    _request("os._exit(0)", "import os\nos._exit(0)", None, ends=True),
    _request("os._exit(1)", "import os\nos._exit(1)", "os_exit", stack=False),
    _request("sys.exit(1)", "import sys\nsys.exit(1)", "sys_exit", optional=True),
    _request("exception", "raise ValueError('no luck')", None),
    _request("MemoryError", "raise MemoryError('too much')", None),
    _request("RecursionError", RECURSE, None),
    _request("SystemExit in a thread", THREAD_EXIT, None),
    _request("SIGKILL from outside", SLEEP, "sigkill_external", waits=True, signo=signal.SIGKILL, stack=False),
    _request("SIGXCPU (RLIMIT_CPU)", CPU_LIMIT, "sigterm", stack=False),
    _request("SIGXFSZ, default action", DEFAULT_ACTION.format("SIGXFSZ"), "sigterm", stack=False),
    _request("SIGPIPE, default action", DEFAULT_ACTION.format("SIGPIPE"), "sigterm", stack=False),
    _request("os._exit(3)", "import os\nos._exit(3)", "os_exit", stack=False, halts=3),
    _request("out of memory", HOARD, "oom", memory=True, stack=False),
    _request(
        "Gunicorn's timeout, GIL free",
        GIL_FREE,
        "gunicorn_timeout",
        options=("--timeout", "2"),
        classes=("sync", "gevent", "asgi", "uvicorn"),
        why_not="a gthread worker is not timed out for a request: its loop goes on",
    ),
    _request("Gunicorn's timeout, GIL held", GIL_HELD, "gunicorn_timeout", options=("--timeout", "2")),
    _request(
        "kill after the graceful timeout",
        GIL_HELD,
        "sigkill_graceful_timeout",
        waits=True,
        signo=signal.SIGTERM,
        to="master",
        halts=0,
        options=("--graceful-timeout", "3"),
        stack=False,
    ),
)
QUITTABLE = {
    "classes": ("sync", "gthread", "gevent", "asgi"),
    "why_not": "Uvicorn's worker does not hear the SIGQUIT that the master sends then",
}
UNHEARD = {
    "to": "master",
    "halts": 0,
    "options": ("--graceful-timeout", "3"),
    "classes": ("uvicorn",),
    "why_not": "only Uvicorn's worker does not hear the SIGQUIT that the master sends then",
}
IDLES = (
    _idle("SIGKILL to a worker that is ready", signal.SIGKILL, "sigkill_external"),
    _idle("SIGHUP to a worker that is ready", signal.SIGHUP, "sigterm"),
    _idle("SIGALRM to a worker that is ready", signal.SIGALRM, "sigterm"),
    _idle("SIGUSR2 to a worker that is ready", signal.SIGUSR2, "sigterm"),
    _idle(
        "SIGABRT to a worker that is ready",
        signal.SIGABRT,
        "sigterm",
        classes=("sync", "gthread", "gevent", "asgi"),
        why_not="Uvicorn's worker has no handler for it, which is the row below",
    ),
    _idle(
        "SIGABRT to a worker that is ready, no handler",
        signal.SIGABRT,
        "native_crash",
        classes=("uvicorn",),
        why_not="Gunicorn's own classes have a handler, which is the row above",
    ),
    _idle("SIGTERM to a worker that is ready", signal.SIGTERM, None, ends=True),
    _idle("SIGINT to a worker that is ready", signal.SIGINT, None, ends=True),
    _idle("SIGQUIT to a worker that is ready", signal.SIGQUIT, None, ends=True),
    _idle("SIGUSR1 to a worker that is ready", signal.SIGUSR1, None),
    _idle("SIGPIPE to a worker that is ready", signal.SIGPIPE, None),
    _idle(
        "SIGKILL to the master alone",
        signal.SIGKILL,
        "vanished",
        to="master",
        role="master",
        classes=("sync", "gthread", "gevent", "asgi"),
        why_not="Uvicorn's worker does not notice that its master is gone, and serves on",
        # A sync worker looks for its master twice per timeout.
        options=("--timeout", "4"),
    ),
    _idle("SIGKILL to the whole tree that is ready", signal.SIGKILL, "vanished", to="tree", count=2),
    _idle("SIGTERM to a server that is ready", signal.SIGTERM, None, to="master", halts=0),
    _idle("SIGINT to a server that is ready", signal.SIGINT, None, to="master", halts=0, **QUITTABLE),
    _idle("SIGINT to a server that is ready, unheard", signal.SIGINT, "sigkill_graceful_timeout", **UNHEARD),
    _idle("SIGQUIT to a server that is ready", signal.SIGQUIT, None, to="master", halts=0, **QUITTABLE),
    _idle("SIGQUIT to a server that is ready, unheard", signal.SIGQUIT, "sigkill_graceful_timeout", **UNHEARD),
)
KINDS = (*IMPORTS, *HOOKS, *LIFESPANS, *REQUESTS, *IDLES)
