"""What the lines of a log that speak of a trouble on their own tell, once the log is over."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from bootcheck.analysis import deaths
from bootcheck.analysis.classify import UNKNOWN_CLASS, Diagnoser, precedence
from bootcheck.analysis.deaths import Death
from bootcheck.analysis.dumps import STOOD
from bootcheck.analysis.logs import Log
from bootcheck.analysis.trouble import BOOT, STOP, Trouble
from bootcheck.model.cause import Cause


def deaths_of(log: Log, source: str, diagnoser: Diagnoser, classes: Collection[str]) -> Iterator[Death]:
    """Yield the deaths of which only such lines tell, most important last, beside those of these classes."""
    notes = tuple(log.notes)
    if not notes:
        return
    best = min((precedence(name) for name in classes), default=precedence(""))
    trouble = Trouble(
        cause=Cause.OS_EXIT,
        role="master",
        moment=BOOT,
        said=notes,
        around=replace(log.around, notes=notes),
        facts={"alone": not classes, "ran": log.ran, STOOD: log.stood},
        stops_server=True,
    )
    known = bool(classes)
    for diagnosis in diagnoser.by_telltale(trouble):
        # What the platform says of a server that died is its consequence, unless it is worse.
        if precedence(diagnosis.cause_class) >= best or (diagnosis.cause_class == UNKNOWN_CLASS and known):
            continue
        best = precedence(diagnosis.cause_class)
        lines = diagnosis.finding.evidence
        cause = diagnosis.cause or trouble.cause
        yield deaths.of_trouble(replace(trouble, cause=cause, said=lines, at=log.time_of(lines)), diagnosis, source)


def killed_in_stop(log: Log) -> Trouble | None:
    """Return the platform's word for a SIGKILL after an ordered stop."""
    if not log.killed_in_stop:
        return None
    return Trouble(
        cause=Cause.SIGKILL_GRACEFUL_TIMEOUT,
        role="master",
        moment=STOP,
        said=tuple(log.killed_in_stop),
        at=log.time_of(log.killed_in_stop),
        around=log.around,
    )
