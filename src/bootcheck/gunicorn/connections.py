"""The start is refused where workers would share a driver's connection: nobody could repair it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bootcheck.guards.fresh_pools import before_start
from bootcheck.model.outcome import Phase

if TYPE_CHECKING:
    from bootcheck.gunicorn.master import Master

STEP = "check.inherited_connections"


def before_workers(master: Master, arbiter: Any) -> None:
    """Refuse the start, with one report, for what the preload import left open; observing only, say it."""
    stopping = [replace(finding, step=STEP) for finding in before_start(arbiter.cfg.workers)]
    if not stopping:
        return
    with master.recorder.step(STEP, Phase.DATABASE) as step:
        for finding in stopping:
            master.recorder.finding(finding)
        step.fail(codes=[finding.code for finding in stopping])
    if master.settings.enforce == "observe":
        master.console.note(
            f"observing only: {len(stopping)} of these findings would have stopped the start (BOOTCHECK_ENFORCE)"
        )
        return
    from bootcheck.gunicorn.ending import refuse

    refuse(master, arbiter, stopping)
