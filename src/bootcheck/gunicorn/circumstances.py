"""What was going on when a worker died, put into its report. Loaded only when one ends.

Whatever cannot be known stands there as null; a list that is empty means that there was nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bootcheck.guards.native_crash import NATIVE_SIGNALS
from bootcheck.gunicorn import chain
from bootcheck.gunicorn.lives import Lives
from bootcheck.gunicorn.verdict import Death, cause_of
from bootcheck.model.finding import Evidence
from bootcheck.model.report import Report, Verdict
from bootcheck.model.route import requests_shown
from bootcheck.model.stamps import rfc3339
from bootcheck.probes import black_box, imports, log_lines, requests
from bootcheck.probes.fault_text import of_fault_text

if TYPE_CHECKING:
    from bootcheck.gunicorn.child import Child
    from bootcheck.gunicorn.master import Master
    from bootcheck.model.redactor import Redactor

NAMED = 3
"""So many requests stand in the evidence; the attributes have all that are known."""
SHOWN_TAIL = 64
"""Characters that a log line loses at its cut end: half a secret is still one."""


def of_child(master: Master, child: Child, death: Death, usage: Any) -> Death:
    """Return the death of a worker with everything that the master can still learn of its last moments."""
    known: dict[str, Any] = {}
    if cause_of(death) is not None:
        for part in (_memory, _resources, _native, _lives):
            known.update(chain.quietly(part)(master, child, death, usage) or {})
    return replace(death, extra={**death.extra, **known})


def of_master(master: Master, death: Death) -> Death:
    """Return the death of the master itself with what it knows of the lives before."""
    known = chain.quietly(_lives)(master, None, death, None) or {}
    return replace(death, extra={**death.extra, **known})


def ended(master: Master, death: Death, report: Report | None) -> None:
    """Enter a worker's end into the lives of this server."""
    chain.quietly(_add_life)(master, death, report)


def _add_life(master: Master, death: Death, report: Report | None) -> None:
    _lives_of(master).add(death, report)


def _memory(master: Master, child: Child, death: Death, usage: Any) -> dict[str, Any]:  # noqa: ARG001
    box = child.box
    if box is None:
        return {"bootcheck.requests": None, "bootcheck.requests.count": None, "bootcheck.log": None}
    now = time.monotonic()
    known = _requests(box, master.redactor, now, ready=death.ready)
    known["bootcheck.log"] = _log(box, master.redactor)
    slowest, importing = imports.read(box, black_box.IMPORTS, now)
    if slowest:
        known["bootcheck.imports"] = slowest
    if not death.ready:
        known["bootcheck.importing"] = importing
    return known


def _requests(box: Any, redactor: Redactor, now: float, *, ready: bool) -> dict[str, Any]:
    found, count = requests.read(box, black_box.REQUESTS, now)
    if count is None:
        # Before it is ready a worker has no request; a class that hands them to another server is not watched.
        return {"bootcheck.requests": None if ready else [], "bootcheck.requests.count": None if ready else 0}
    told = requests_shown(found, redactor.mask)
    known: dict[str, Any] = {"bootcheck.requests": told, "bootcheck.requests.count": count}
    if count == 1 and told:
        known["http.request.method"], known["url.path"] = told[0]["method"], told[0]["path"]
    return known


def _log(box: Any, redactor: Redactor) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for at, level, logger, text, whole in log_lines.read(box, black_box.LOG_LINES):
        masked = redactor.mask(text)
        if not whole:
            masked = masked[:-SHOWN_TAIL].rpartition(" ")[0]
        if not whole or len(masked) > log_lines.MAX_SHOWN:
            masked = masked[: log_lines.MAX_SHOWN] + "…"
        lines.append({"at": rfc3339(at), "level": logging.getLevelName(level), "logger": logger, "text": masked})
    return lines


def _resources(master: Master, child: Child, death: Death, usage: Any) -> dict[str, Any]:  # noqa: ARG001
    known: dict[str, Any] = {
        "process.memory.usage": None,
        "process.thread.count": None,
        "process.unix.file_descriptor.count": None,
        **child.last_seen,
    }
    if child.last_seen:
        known["bootcheck.process.seen"] = "when the master sent it its last signal"
    elif death.fault:
        threads = len(of_fault_text(death.fault))
        if threads:
            known["process.thread.count"] = threads
            known["bootcheck.process.seen"] = "in the fault dump, which counts the threads that Python knows"
    if usage is not None:
        known["process.cpu.time"] = round(usage.ru_utime + usage.ru_stime, 3)
    measured = [checkpoint for checkpoint in death.boot.checkpoints if checkpoint.rss_bytes]
    if measured:
        last = measured[-1]
        known["bootcheck.process.memory.last_checkpoint"] = {"bytes": last.rss_bytes, "checkpoint": last.name}
    return known


def _native(master: Master, child: Child, death: Death, usage: Any) -> dict[str, Any]:  # noqa: ARG001
    if death.signo not in NATIVE_SIGNALS or death.timed_out:
        return {}
    arbiter = master.arbiter
    environ = {**master.environ, **(arbiter.cfg.env if arbiter is not None else {})}
    return of_fault(death.fault, environ, master.redactor)


def of_fault(fault: str, environ: Mapping[str, str], redactor: Redactor) -> dict[str, Any]:
    """Return what is known about a fault in native code: modules, libraries, suspects, machine, variables."""
    from bootcheck.probes import machine, native

    stacks = of_fault_text(fault)
    frames = stacks[0]["frames"] if stacks else []
    modules = native.extension_modules(fault)
    if modules is None and fault:
        # faulthandler has no such line where nothing of third parties is loaded.
        modules = []
    libraries = native.libraries(modules or (), frames)
    variables = {name: redactor.mask(value)[:200] for name, value in machine.variables(environ).items()}
    return {
        "bootcheck.native.suspects": native.suspects(modules or (), frames),
        "bootcheck.native.modules": None if modules is None else modules[: native.MAX_LISTED],
        "bootcheck.native.duplicates": native.duplicates(libraries),
        "bootcheck.native.libraries": libraries[: native.MAX_LISTED],
        "bootcheck.native.variables": variables,
        **machine.facts(),
    }


def _lives(master: Master, child: Child | None, death: Death, usage: Any) -> dict[str, Any]:  # noqa: ARG001
    return {"bootcheck.previous_lives": _lives_of(master).attributes()}


def _lives_of(master: Master) -> Lives:
    receiver = master.receiver
    if receiver.lives is None:
        receiver.lives = Lives(master.directory)
    return receiver.lives


# -- what of it argues for the cause ----------------------------------------------------------


def argue(verdict: Verdict, known: Mapping[str, Any]) -> Verdict:
    """Return the verdict with what the last moments say: the request, the import, the suspects."""
    evidence: list[Evidence] = []
    actions: list[str] = []
    summary = verdict.summary
    serving, count = known.get("bootcheck.requests") or [], known.get("bootcheck.requests.count") or 0
    for entry in serving[:NAMED]:
        text = f"it was serving {entry['method']} {entry['path']} for {entry['running_s']:.3f} s"
        evidence.append(Evidence(source="shared memory", text=text))
    if serving:
        more = f" and {count - 1} more" if count > 1 else ""
        summary += f" It was serving {serving[0]['method']} {serving[0]['path']}{more}."
    importing = known.get("bootcheck.importing") or []
    if importing:
        names = " > ".join(entry["module"] for entry in importing)
        evidence.append(Evidence(source="shared memory", text=f"it was importing {names}"))
    for entry in known.get("bootcheck.native.suspects") or []:
        evidence.append(Evidence(source="fault dump", text=f"suspect {entry['package']}: {entry['why']}"))
    if known.get("bootcheck.native.suspects"):
        first = known["bootcheck.native.suspects"][0]
        actions.append(f"Look at {first['package']} and its version first: {first['why']}.")
    for entry in known.get("bootcheck.native.duplicates") or []:
        text = f"more than one copy of {entry['name']}: {', '.join(entry['paths'])}"
        evidence.append(Evidence(source="native libraries", text=text))
    return replace(
        verdict, summary=summary, evidence=(*verdict.evidence, *evidence), action=(*actions, *verdict.action)
    )
