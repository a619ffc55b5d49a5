"""Tracebacks of which the part that tells was cut off are not taken for what they resemble."""

from __future__ import annotations

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import SITE, TERM, frame, start


def test_a_line_that_could_not_be_logged_is_no_death_without_its_head():
    """What Python says below it names the line, and no exception."""
    log = (
        frame(SITE + "gunicorn/arbiter.py", "reap_workers", "self.cfg.child_exit(self, worker)")
        + frame("/srv/gunicorn.conf.py", "child_exit", "server.log.warning('worker %s left', worker.pid)")
        + frame(SITE + "gunicorn/glogging.py", "warning", "self.error_log.warning(msg, *args, **kwargs)")
        + "Message: 'worker %s left'\nArguments: (11,)\n"
        + TERM
    )

    assert classes(told(log)) == []


def test_a_log_that_is_cut_where_a_worker_is_made_tells_nothing_of_its_class():
    """It may be the heartbeat file that could not be made."""
    log = (
        start().rpartition("[2026")[0]
        + "[2026-11-27 09:00:01 +0000] [10] [ERROR] Unhandled exception in main loop\n"
        + "Traceback (most recent call last):\n"
        + frame(SITE + "gunicorn/arbiter.py", "run", "self.manage_workers()")
        + frame(SITE + "gunicorn/arbiter.py", "spawn_worker", "worker = self.worker_class(self.worker_age, self.pid,")
    )

    assert [name for name, _ in classes(told(log))] == ["app-exception"]
