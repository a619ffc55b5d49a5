"""Which process is meant: a Gunicorn master by its pid, by its pidfile, by its title or what it serves."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from bootcheck.watching import CannotWatch
from bootcheck.watching.processes import Table

_TITLE = "gunicorn: master"
"""What setproctitle makes of a master's command line."""
_WITH_VALUE = ("-W", "-X")
"""Options of Python that a word of its own follows."""


def finder(target: str | None, table: Table) -> Callable[[], int | None]:
    """Return what finds the pid of the master now, None while there is none; raises CannotWatch where nothing can."""
    if target is not None and target.isdecimal():
        pid = _below(int(target), table)
        return lambda: pid if table.usage(pid) is not None else None
    if target is not None and (os.sep in target or os.path.isfile(target)):
        folder = os.path.dirname(os.path.abspath(target))
        if os.path.isdir(target) or not os.path.isdir(folder):
            msg = f"{target} is no pidfile. Name a pid, the file that `gunicorn --pid` writes, or a title."
            raise CannotWatch(msg)
        return lambda: _of_file(target, table)
    return lambda: _only(target, table)


def is_master(command: Sequence[str]) -> bool:
    """Tell whether a command line is Gunicorn's own: the script, `python -m gunicorn`, or the title of a master."""
    if not command:
        return False
    if command[0].startswith(_TITLE) or _is_script(command[0]):
        return True
    if not os.path.basename(command[0]).startswith("python"):
        return False
    words = iter(command[1:])
    for word in words:
        if word == "-m":
            return next(words, "") == "gunicorn"
        if word in _WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return _is_script(word)
    return False


def successor(old: int, table: Table) -> int | None:
    """Return the master that took over after SIGUSR2: it names the old one in its environment."""
    found = [pid for pid in table.parents() if table.environment(pid).get("GUNICORN_PID") == str(old)]
    return next((pid for pid in found if is_master(table.command(pid))), None)


def _below(pid: int, table: Table) -> int:
    """Return the master that a process started (a shell, `bootcheck run`, an init), else the process itself."""
    parents = table.parents()
    here = [pid]
    while here and not any(is_master(table.command(one)) for one in here):
        here = [child for child, parent in parents.items() if parent in here]
    masters = [one for one in here if is_master(table.command(one))]
    return masters[0] if len(masters) == 1 else pid


def _is_script(word: str) -> bool:
    return os.path.basename(word) in ("gunicorn", "gunicorn.exe")


def _of_file(path: str, table: Table) -> int | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(64).strip()
    except OSError:
        return None
    # A pidfile that was left behind may name somebody else by now.
    pid = int(text) if text.isdecimal() else 0
    return pid if pid and table.usage(pid) is not None else None


def _only(name: str | None, table: Table) -> int | None:
    parents = table.parents()
    masters = {pid for pid in parents if is_master(table.command(pid))}
    # A worker has the command line of its master; a new master of SIGUSR2 is found when the old one has ended.
    found = sorted(pid for pid in masters if parents.get(pid) not in masters)
    if name is not None:
        found = [pid for pid in found if any(name in word for word in table.command(pid))]
    if len(found) > 1:
        told = "; ".join(f"{pid}: {' '.join(table.command(pid))[:60]}" for pid in found[:5])
        msg = f"{len(found)} Gunicorn masters fit. Name one by its pid: {told}"
        raise CannotWatch(msg)
    return found[0] if found else None
