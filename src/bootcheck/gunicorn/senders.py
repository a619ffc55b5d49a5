"""The sender of a signal in words, for the console, for a report's attributes and for its verdict.

Loaded only where a signal is told of, and then quickly: a stop is waiting. What only a report needs is
imported for that. See `bootcheck.probes.sender` for the keys of a sender.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bootcheck.guards.sigterm import STOP_SIGNALS
from bootcheck.model.encode import plain
from bootcheck.model.redactor import Redactor
from bootcheck.probes.sender import HERE, KERNEL, OUTSIDE, UNKNOWN

if TYPE_CHECKING:
    from bootcheck.gunicorn.verdict import Death
    from bootcheck.model.cause import Cause
    from bootcheck.model.finding import Evidence

Told = Mapping[str, Any]
_LONGEST = 200
_KEYS = {
    "origin": "origin",
    "pid": "pid",
    "uid": "uid",
    "name": "name",
    "command": "command",
    "parent_pid": "parent.pid",
    "parent_command": "parent.command",
}
_KEYBOARD = ("SIGINT", "SIGQUIT")


def masked(sender: Told, redactor: Redactor) -> dict[str, Any]:
    """Return a sender without secrets: the arguments of a command may hold some."""
    found: dict[str, Any] = plain(dict(sender), redactor.mask)
    return found


def who(sender: Told) -> str:
    """Return `pid 812 (uid 0, supervisorctl stop web)`, or what else is known."""
    origin = sender.get("origin")
    if origin == HERE:
        inner = [f"uid {sender.get('uid')}", _name_of(sender)]
        relation = {"parent": "its parent", "itself": "itself"}.get(str(sender.get("relation")))
        return f"pid {sender.get('pid')} ({', '.join(filter(None, [relation, *inner]))})"
    if origin == OUTSIDE:
        return f"{OUTSIDE} (uid {sender.get('uid')})"
    if origin == KERNEL:
        return "the kernel"
    around = "; ".join(_around(sender))
    return f"an unknown sender ({sender.get('why')}){f'; {around}' if around else ''}"


def attributes(sender: Told, prefix: str) -> dict[str, Any]:
    """Return the attributes of a sender; of an unknown one that it is unknown."""
    return {f"{prefix}.{name}": sender[key] for key, name in _KEYS.items() if sender.get(key) is not None}


def attributes_of(death: Death) -> dict[str, Any]:
    """Return what a report's attributes say of the sender, and of who told the master."""
    found: dict[str, Any] = {}
    own = sender_of(death)
    # Who asked it to stop did not kill it; a second stop signal on its way out changes nothing.
    stopped = death.signo in (None, *STOP_SIGNALS)
    if own is not None and stopped and not (own.get("origin") == UNKNOWN and _by_master(death)):
        found["bootcheck.signal.name"] = (death.boot.signal or {}).get("name")
        found |= attributes(own, "bootcheck.signal.sender")
    order = death.order or death.boot.stop
    if order is not None:
        found["bootcheck.signal.order.name"] = order.get("name")
        found |= attributes(order.get("sender") or {}, "bootcheck.signal.order.sender")
    return found


def origin_of(death: Death, signo: int) -> str:
    """Return `master` or `outside`: what the signal itself said, else whether the master sent one."""
    own = sender_of(death)
    if own is not None and own.get("origin") != UNKNOWN and signo == _noticed(death):
        return "master" if _is_master(death, own) else "outside"
    return "master" if signo in death.sent else "outside"


def summary_of(death: Death, signo: int) -> str:
    """Return whom a signal came from, for the sentence of the verdict."""
    own = sender_of(death)
    parent = "dirty arbiter" if death.boot.role == "dirty-worker" else "master"
    if origin_of(death, signo) == "master":
        order = death.order
        if order is None or (order.get("sender") or {}).get("origin") in (None, UNKNOWN):
            return f"the {parent}"
        return f"the {parent}, which had got {order.get('name')} from {who(order['sender'])},"
    if own is None or own.get("origin") == UNKNOWN:
        return f"outside the {parent}"
    return who(own)


def evidence_of(death: Death) -> Iterator[Evidence]:
    """Yield a line for each sender that is known, and what is known of the receiver where none is."""
    from bootcheck.model.finding import Evidence

    own = sender_of(death)
    if own is not None and death.boot.signal is not None:
        name = str(death.boot.signal.get("name"))
        if _is_master(death, own):
            yield Evidence(source="signal", text=f"{name} sent by the master (pid {own.get('pid')})")
        elif not (own.get("origin") == UNKNOWN and _by_master(death)):
            yield from _lines(name, own, "")
    for order, before in ((death.order, "the master acted upon "), (death.boot.stop, "it had been told to stop: ")):
        if order is not None:
            yield from _lines(str(order.get("name")), order.get("sender") or {}, before)


def missing_of(death: Death, cause: Cause) -> Iterator[str]:
    """Yield what is not known about who sent the signal that this death is about."""
    if cause.value not in ("sigterm", "sigkill_graceful_timeout"):
        return
    own = sender_of(death)
    if own is not None and own.get("origin") == UNKNOWN and not _by_master(death):
        yield f"who sent {(death.boot.signal or {}).get('name')}: {own.get('why')}"
    order = (death.order or {}).get("sender") or {}
    if death.order is not None and order.get("origin") == UNKNOWN:
        yield f"who sent the master {death.order.get('name')}: {order.get('why')}"


def sender_of(death: Death) -> Told | None:
    """Return the sender of the signal that the process noticed, None where it noted none."""
    found = (death.boot.signal or {}).get("sender")
    return found if isinstance(found, Mapping) else None


def _is_master(death: Death, sender: Told) -> bool:
    child = death.boot.role in ("worker", "dirty-arbiter", "dirty-worker")
    master = death.boot.head.get("ppid") if child else None
    return master is not None and sender.get("pid") == master


def _by_master(death: Death) -> bool:
    """Tell whether the master sent what the process noticed."""
    return _noticed(death) in death.sent


def _noticed(death: Death) -> int | None:
    signo = (death.boot.signal or {}).get("signo")
    return signo if isinstance(signo, int) else None


def _lines(name: str, sender: Told, before: str) -> Iterator[Evidence]:
    from bootcheck.model.finding import Evidence

    origin = sender.get("origin")
    if origin == HERE:
        command = _short(sender.get("command") or sender.get("name") or "")
        said = f": `{command}`" if command else ", which was gone at once"
        text = f"{name} sent by pid {sender.get('pid')}, uid {sender.get('uid')}{said}"
        yield Evidence(source="signal", text=before + text)
        if sender.get("parent_pid"):
            text = f"pid {sender.get('pid')} was started by pid {sender['parent_pid']}"
            parent = _short(sender.get("parent_command") or "")
            yield Evidence(source="signal", text=f"{text}: `{parent}`" if parent else text)
        return
    if origin == OUTSIDE:
        text = f"{name} sent from {OUTSIDE}, uid {sender.get('uid')}: no process in here sent it"
        yield Evidence(source="signal", text=before + text)
    elif origin == KERNEL:
        key = ": a key of its terminal" if name in _KEYBOARD and sender.get("terminal") else ""
        yield Evidence(source="signal", text=f"{before}{name} sent by the kernel{key}")
    for text in _around(sender):
        yield Evidence(source="process", text=text)


def _around(sender: Told) -> Iterator[str]:
    """Yield what is known of the receiver itself."""
    if sender.get("pid1"):
        yield "it is PID 1 of its PID namespace"
    if sender.get("own_parent"):
        command = _short(sender.get("own_parent_command") or "")
        yield f"its parent is pid {sender['own_parent']}" + (f": `{command}`" if command else "")
    if sender.get("terminal"):
        yield "it is in the foreground of its terminal, whose Ctrl-C reaches it"


def _name_of(sender: Told) -> str:
    """Return a sender's command; of one that was gone its name, and who had started it."""
    if sender.get("command"):
        return _short(sender["command"])
    parent = ""
    if sender.get("parent_pid"):
        parent = f", started by pid {sender['parent_pid']}"
        parent += f": {_short(sender['parent_command'])}" if sender.get("parent_command") else ""
    return f"{_short(sender.get('name') or '')}, already gone".removeprefix(", ") + parent


def _short(text: object) -> str:
    """Return one printable line: a process may call itself anything."""
    line = " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
