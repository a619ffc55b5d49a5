"""Starting the server: a fork, a process group of its own, what it would have had without a parent, exec."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence

from bootcheck.parent import CannotRun, kernel
from bootcheck.parent.signals import Signals
from bootcheck.parent.terminal import Terminal

NOT_FOUND = 127
NOT_EXECUTABLE = 126


def start(
    argv: Sequence[str],
    environ: Mapping[str, str],
    signals: Signals,
    terminal: Terminal,
    in_child: Callable[[], None] = lambda: None,
) -> int:
    """Return the pid of the started command; raises CannotRun where there is no such program."""
    parent = os.getpid()
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(told)
            os.setpgid(0, 0)
            terminal.give(os.getpid())
            in_child()
            _become(argv, environ, parent, signals)
        except BaseException as exc:  # noqa: BLE001 - nothing may return into the parent's code twice
            number = exc.errno if isinstance(exc, OSError) and exc.errno else 0
            os.write(tell, f"{number} {type(exc).__name__}".encode())
        finally:
            os._exit(NOT_FOUND)
    os.close(tell)
    try:
        # On both sides: whoever is first, the group is there before anybody needs it.
        os.setpgid(pid, pid)
    except OSError:
        pass
    failure = os.read(told, 200).decode()
    os.close(told)
    if failure:
        os.waitpid(pid, 0)
        terminal.take()
        raise _cannot(argv[0], failure)
    return pid


def _become(argv: Sequence[str], environ: Mapping[str, str], parent: int, signals: Signals) -> None:
    kernel.die_with_parent(signal.SIGTERM)
    if os.getppid() != parent:
        # It died before the line above.
        return
    variables = dict(environ)
    # systemd's sockets and its watchdog are for the process whose pid is named.
    for name in ("LISTEN_PID", "WATCHDOG_PID"):
        if variables.get(name) == str(parent):
            variables[name] = str(os.getpid())
    signals.restore()
    os.execvpe(argv[0], list(argv), variables)  # noqa: S606 - no shell is what keeps signals and statuses exact


def _cannot(program: str, failure: str) -> CannotRun:
    number, _, kind = failure.partition(" ")
    why = os.strerror(int(number)) if number != "0" else kind
    if kind in ("FileNotFoundError", "NotADirectoryError"):
        if os.path.sep in program and os.path.exists(program):
            return CannotRun(f"{program} cannot be run: the interpreter in its first line is missing.", NOT_EXECUTABLE)
        where = "" if os.path.sep in program else " in any directory of PATH"
        return CannotRun(f"there is no program {program!r}{where}.", NOT_FOUND)
    return CannotRun(f"{program} cannot be run: {why}.", NOT_EXECUTABLE)
