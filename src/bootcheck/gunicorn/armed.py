"""Where a living process keeps its journal, and whether that says that it may be asked for its stacks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bootcheck.guards.snapshot import MEMORY, SIGNAL
from bootcheck.model import journal
from bootcheck.model.journal import Key, read_lines
from bootcheck.probes.process import boot_id, environment_of, start_ticks, status_of
from bootcheck.sinks.directory import ReportDirectory

_NOT = "It is not asked, for the signal would end it."


class Refused(Exception):  # noqa: N818 - no error: the process is left alone
    """Why a process cannot be asked, in a sentence without its full stop."""


class Armed:
    """One process that says of itself that it answers."""

    def __init__(self, pid: int, directory: ReportDirectory, key: Key, head: Mapping[str, Any]) -> None:
        self.pid = pid
        self.directory = directory
        self.key = key
        self.head = head
        status = status_of(pid)
        self.uid = _uid(status)
        info = os.stat(f"{directory.path}/{key.file_name}", follow_symlinks=False)
        self.owner = (info.st_uid, info.st_gid)

    def dump_file(self) -> int:
        """Open the file that its stacks go to; raises Refused where it is not that one any more."""
        on_disk = bool(self.head["dump"].get("on_disk"))
        fd = self.directory.open_existing(self.key.dump_name) if on_disk else self._in_memory()
        if fd >= 0:
            info = os.fstat(fd)
            # We empty it: it must not be another file under a second name.
            if info.st_nlink == int(on_disk) and info.st_uid in (self.uid, self.owner[0]):
                return fd
            os.close(fd)
        msg = f"process {self.pid} has no longer the file that its stacks would go to, or it cannot be opened"
        raise Refused(msg)

    def _in_memory(self) -> int:
        """Open the process's own file in memory, by its descriptor; -1 where that is something else now."""
        try:
            fd = os.open(f"/proc/{self.pid}/fd/{self.head['dump']['fd']}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError:
            msg = f"the descriptors of process {self.pid} (uid {self.uid}) are closed to uid {os.geteuid()}"
            raise Refused(msg) from None
        except OSError:
            return -1
        # An app that closes all descriptors may have put another file in this place.
        if os.readlink(f"/proc/self/fd/{fd}") == f"/memfd:{MEMORY} (deleted)":
            return fd
        os.close(fd)
        return -1

    def check(self, signo: int = SIGNAL) -> None:
        """Raise Refused unless the process is still this one and still catches the signal."""
        status = status_of(self.pid)
        if not status or start_ticks(self.pid) != self.key.start:
            msg = f"process {self.pid} has ended"
            raise Refused(msg)
        if not int(status.get("SigCgt", "0"), 16) >> (signo - 1) & 1:
            msg = f"process {self.pid} does not catch signal {signo} (SigCgt in /proc/{self.pid}/status). {_NOT}"
            raise Refused(msg)
        if self.head["dump"].get("on_disk") and not self._still_writes():
            msg = f"process {self.pid} has closed the file that its stacks would go to"
            raise Refused(msg)

    def _still_writes(self) -> bool:
        """Tell whether the descriptor is still that of the file: an app that closes all may have put a socket there."""
        try:
            there = os.stat(f"/proc/{self.pid}/fd/{self.head['dump']['fd']}")
        except FileNotFoundError:
            return False
        except OSError:
            # Not ours to see; the process's own word has to do.
            return True
        try:
            here = os.stat(f"{self.directory.path}/{self.key.dump_name}", follow_symlinks=False)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)

    def outer_tids(self, threads: Sequence[Mapping[str, Any]]) -> dict[int, int]:
        """Return for each native id as the process knows it the one by which we do (another PID namespace)."""
        if self.key.pid == self.pid:
            return {thread["native_id"]: thread["native_id"] for thread in threads}
        found: dict[int, int] = {}
        for thread in threads:
            tid = thread["native_id"]
            inner = _inner_pids(status_of_thread(self.pid, tid))
            if inner:
                found[inner[-1]] = tid
        return found


def find(pid: int, named: str | None, environ: Mapping[str, str]) -> Armed:
    """Return the process with its journal; raises Refused with the reason."""
    status = status_of(pid)
    if not status:
        msg = f"there is no process {pid}"
        raise Refused(msg)
    if status.get("Tgid") not in (None, str(pid)):
        msg = f"{pid} is a thread of process {status['Tgid']}"
        raise Refused(msg)
    if status.get("State", "").startswith(("Z", "X")):
        msg = f"process {pid} has ended and only waits to be reaped"
        raise Refused(msg)
    pids = list(dict.fromkeys([pid, *_inner_pids(status)[-1:]]))
    keys = [Key(role, number, start_ticks(pid)) for number in pids for role in journal.ROLES]
    looked: list[str] = []
    for path in _places(pid, _uid(status), named, environ):
        if path in looked:
            continue
        looked.append(path)
        armed = _in(path, pid, keys)
        if armed is not None:
            armed.check()
            return armed
    raise Refused(_why_not_found(pid, keys, looked, _uid(status)))


def _in(path: str, pid: int, keys: Sequence[Key]) -> Armed | None:
    for key in keys:
        if not os.path.lexists(f"{path}/{key.file_name}"):
            continue
        try:
            directory = ReportDirectory(at=path)
        except OSError as exc:
            msg = f"cannot open {path}: {exc.strerror}"
            raise Refused(msg) from exc
        head = _head_of(directory, key)
        if head is None:
            msg = f"the journal of process {pid} in {path} cannot be read"
            raise Refused(msg)
        if head.get("boot_id") in (None, "", boot_id()):
            return Armed(pid, directory, key, head)
    return None


def _head_of(directory: ReportDirectory, key: Key) -> Mapping[str, Any] | None:
    """Return the head of a journal; raises Refused where it says that the process does not answer."""
    records, _ = read_lines(directory.read(key.file_name, 4 << 20).splitlines())
    if not records or records[0]["t"] != journal.HEAD:
        return None
    dump = records[0].get("dump")
    if not isinstance(dump, Mapping):
        msg = f"process {key.pid} runs a version of bootcheck that does not answer"
        raise Refused(msg)
    taken = next((record["dump"] for record in records if record["t"] == journal.NOTE and "dump" in record), None)
    why = taken or (None if dump.get("number") == SIGNAL else dump.get("why") or f"it uses signal {dump.get('number')}")
    if why:
        msg = f"process {key.pid} does not answer signal {SIGNAL}: {why}"
        raise Refused(msg)
    return records[0]


def _places(pid: int, uid: int | None, named: str | None, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield directories in which its journal may be: the named one, else by the rules, its environment first."""
    if named is not None:
        yield from _with_own(os.path.abspath(named), uid)
        return
    for source in (environment_of(pid), environ):
        for variable in ("BOOTCHECK_DIR", "STATE_DIRECTORY", "LOGS_DIRECTORY"):
            value = source.get(variable, "")
            path = value if variable == "BOOTCHECK_DIR" else value.split(":")[0]
            # A relative one is relative to where that process was started, which nobody knows any more.
            if path and (os.path.isabs(path) or source is environ):
                yield from _with_own(os.path.abspath(path), uid)
    for owner in dict.fromkeys([uid, os.geteuid()]):
        if owner is not None:
            yield f"/tmp/bootcheck-{owner}"  # noqa: S108 - only read, and what is there must be theirs
    yield from _by_descriptor(pid)


def _with_own(path: str, uid: int | None) -> Iterator[str]:
    yield path
    for owner in dict.fromkeys([uid, os.geteuid(), 0]):
        if owner is not None:
            yield f"{path}/bootcheck-{owner}"


def _by_descriptor(pid: int) -> Iterator[str]:
    """Yield the directory of a journal that the process has open, wherever it found a place for it."""
    for target in _open_files(pid):
        if journal.key_of(os.path.basename(target)) is not None:
            yield os.path.dirname(target)


def _open_files(pid: int) -> Iterator[str]:
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue


def _why_not_found(pid: int, keys: Sequence[Key], looked: Sequence[str], uid: int | None) -> str:
    names = {f"{key.file_name} (deleted)" for key in keys}
    gone = [target for target in _open_files(pid) if os.path.basename(target) in names]
    if gone:
        return f"the report directory of process {pid} was removed while it runs: {os.path.dirname(gone[0])}"
    told = ", ".join(dict.fromkeys(looked))
    if uid not in (None, os.geteuid()) and os.geteuid() != 0:
        return (
            f"process {pid} belongs to uid {uid}, and no journal of it can be seen in {told}. "
            "Ask as that user or as root"
        )
    return (
        f"process {pid} has no journal in {told}. Either it does not run under bootcheck, then the signal would end "
        "it; or name its report directory with --dir"
    )


def status_of_thread(pid: int, tid: int) -> dict[str, str]:
    """Return the fields of one thread's status."""
    try:
        with open(f"/proc/{pid}/task/{tid}/status", encoding="utf-8", errors="replace") as file:
            return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}
    except OSError:
        return {}


def _inner_pids(status: Mapping[str, str]) -> list[int]:
    """Return the number of a process or thread in each PID namespace, from ours inwards."""
    return [int(part) for part in status.get("NSpid", "").split() if part.isdecimal()]


def _uid(status: Mapping[str, str]) -> int | None:
    """Return the effective user of a process."""
    parts = status.get("Uid", "").split()
    return int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else None
