"""Who sent this process a signal: what the kernel told `bootcheck_siginfo`, where that is installed.

The only file that imports the extension, once per server, and on every boot's path: `watch`. What is
known is a flat dictionary, as the journal keeps it:

| key | meaning |
|---|---|
| `origin` | `this namespace`, `outside this PID namespace`, `kernel` or `unknown` |
| `pid`, `uid` | the sender's |
| `name`, `command` | its name and its command line, as far as they could still be read |
| `relation` | `parent` or `itself`, where it is one of them |
| `parent_pid`, `parent_command` | the sender's parent |
| `why` | why the sender is unknown |
| `pid1`, `terminal`, `own_parent`, `own_parent_command` | what is known of the receiver without the sender |
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from bootcheck.probes.process import contents, stat_of

HERE = "this namespace"
OUTSIDE = "outside this PID namespace"
KERNEL = "kernel"
UNKNOWN = "unknown"

_NOT_INSTALLED = "bootcheck-siginfo is not installed (pip install 'bootcheck[siginfo]')"
_BY_KILL = (0, -1)
"""si_code of kill(2) and sigqueue(3)."""
_BY_RAISE = -6
_BY_KERNEL = 0x80
_MOST_KEPT = 64

_extension: Any = None
_why = ""
"""Why there is no extension; empty as long as nobody looked for it."""
_kept: dict[int, list[Any]] = {}
_owner = 0


def watch(signals: Iterable[int]) -> None:
    """Keep the senders of these signals from now on; again after anything that sets handlers.

    `signal.getsignal` and what the handlers do stay as they are. Without the extension nothing happens.
    """
    if _found():
        for signo in signals:
            _extension.watch(int(signo))


def first(signo: int) -> dict[str, Any]:
    """Return who was the first to send this process this signal."""
    _collect()
    arrivals = _kept.get(signo, [])
    if not arrivals:
        return {"origin": UNKNOWN, "why": _why or "the signal came before it was watched for", **_surroundings()}
    # A handler that passes a signal on raises it in its own process: that is not who sent it.
    sent = [one for one in arrivals if not (one.code == _BY_RAISE and one.pid == os.getpid())]
    if not sent:
        return {"origin": UNKNOWN, "why": "the process raised the signal itself", **_surroundings()}
    return _sender(sent[0])


def arrived(signo: int) -> list[dict[str, Any]]:
    """Return, oldest first, who sent this signal since the last call."""
    _collect()
    return [_sender(one) for one in _kept.pop(signo, []) if one.code != _BY_RAISE or one.pid != os.getpid()]


def _found() -> bool:
    """Look for the extension, once: workers are forked from a process that has looked."""
    global _extension, _why  # noqa: PLW0603 - one per process image
    if _extension is None and not _why:
        try:
            import bootcheck_siginfo
        except Exception as exc:  # noqa: BLE001 - built for another system, for example
            absent = isinstance(exc, ModuleNotFoundError) and exc.name == "bootcheck_siginfo"
            _why = _NOT_INSTALLED if absent else f"bootcheck-siginfo cannot be loaded: {exc}"
        else:
            _extension = bootcheck_siginfo
    return _extension is not None


def _collect() -> None:
    global _owner  # noqa: PLW0603
    if _owner != os.getpid():
        # What came to the parent before the fork was not sent to us.
        _owner = os.getpid()
        _kept.clear()
    if _found():
        for one in _extension.take():
            waiting = _kept.setdefault(one.signo, [])
            if len(waiting) < _MOST_KEPT:
                waiting.append(one)


def _sender(one: Any) -> dict[str, Any]:
    if one.code == _BY_KERNEL:
        return {"origin": KERNEL, **_surroundings()}
    if one.code not in _BY_KILL and one.code != _BY_RAISE:
        return {"origin": UNKNOWN, "why": f"the kernel gives no sender (si_code {one.code})", **_surroundings()}
    if one.pid == 0:
        return {"origin": OUTSIDE, "uid": one.uid, **_surroundings()}
    told: dict[str, Any] = {"origin": HERE, "pid": one.pid, "uid": one.uid}
    if one.pid in (os.getpid(), os.getppid()):
        told["relation"] = "itself" if one.pid == os.getpid() else "parent"
    if not _proc_is_ours():
        return told
    parent = one.parent if one.parent > 0 else None
    told |= {
        "name": one.name.decode("utf-8", "replace") or None,
        "command": _command(one.pid, one.command),
        "parent_pid": parent,
        "parent_command": _command(parent, one.parent_command) if parent else None,
    }
    return {key: value for key, value in told.items() if value is not None}


def _command(pid: int, kept: bytes) -> str | None:
    """Return a command line: what the handler kept, or all of it where the process still lives."""
    if not kept:
        return None
    whole = kept
    if len(kept) == _extension.COMMAND_SIZE:
        whole = contents(f"/proc/{pid}/cmdline")
        if not whole.startswith(kept):
            # Gone, and only its beginning is known. An argument that was cut may be half a secret:
            # no list of whole ones would find it.
            whole = kept.rpartition(b"\0")[0] + b"\0\xe2\x80\xa6"
    return whole.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")


def _surroundings() -> dict[str, Any]:
    """Return what can be known without the sender: the parent, being PID 1, the terminal."""
    told: dict[str, Any] = {}
    if os.getpid() == 1:
        told["pid1"] = True
    parent = os.getppid()
    if parent and _proc_is_ours():
        told["own_parent"] = parent
        command = contents(f"/proc/{parent}/cmdline").rstrip(b"\0").replace(b"\0", b" ")
        told["own_parent_command"] = command.decode("utf-8", "replace")
    # State, ppid, group, session, terminal, the terminal's foreground group.
    fields = stat_of("self")
    if len(fields) > 5 and fields[4] != b"0" and fields[2] == fields[5]:
        told["terminal"] = True
    return told


def _proc_is_ours() -> bool:
    """Tell whether /proc numbers processes as we do: it may be that of another PID namespace."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False
