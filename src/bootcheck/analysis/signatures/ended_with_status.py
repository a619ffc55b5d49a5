"""The server ended by itself, and only its supervisor tells of it.

What it means
    systemd, supervisor, Heroku or Render say with which status the process ended; what Gunicorn and the app
    said of the reason is not in this log. Status 3 is a worker that could not boot, 4 an app that was not found.

How it looks
    `exited: gunicorn (exit status 3; not expected)`, `gunicorn.service: Main process exited, code=exited,
    status=3/NOTIMPLEMENTED`, `heroku[web.1]: Process exited with status 3`.

Why it happens
    The log was cut, or Gunicorn's own lines go to another file (`--error-logfile`, supervisor's
    `stderr_logfile`).

What to do
    Get the lines before it: `journalctl -u UNIT -n 200 --no-pager`, `supervisorctl tail PROGRAM stderr`,
    `heroku logs -n 1500`.

How to know it is fixed
    The process stays, and the supervisor counts no further start.
"""

from __future__ import annotations

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "app-exception"
RULES: tuple[str, ...] = ()

_STATUS = r"(?!0\b|1(?:2[67]|3[24-79]|43)\b|2\d\d\b)\d{1,3}\b"
"""No success, no command that could not run, no signal, nothing that systemd itself refused."""
TELLTALE = late.regex(
    rf"exited: \S*unicorn\S* \(exit status {_STATUS}; not expected\)|gave up: \S*unicorn\S* entered FATAL state|"
    rf"unicorn\S*\.service: Main process exited, code=exited, status={_STATUS}|"
    rf"^Process exited with status {_STATUS}|^==> Exited with status {_STATUS}|"
    r"^(?!\S*(?:beat|celery|worker|redis|nginx|sched|cron))\S+\s+(?:FATAL|BACKOFF)\s+Exited too quickly"
)
WORDS = ("exited: ", "gave up: ", "process exited", "xited with status", "Exited too quickly")


def match(trouble: Trouble) -> Finding | None:
    """Conclude where nothing else is known of the server's end."""
    if trouble.role != "master" or trouble.cause is not Cause.OS_EXIT or trouble.exception is not None:
        return None
    told = [item for item in trouble.said if TELLTALE.search(item.text)]
    if not told or len(told) < len(trouble.said):
        return None
    return conclude(
        trouble,
        f"The server ended by itself, and this log does not say why: {one_line(told[0].text)}",
        "Get the lines that Gunicorn and the app wrote before it, and analyze them with this log.",
        confidence="low",
        against=("Only the supervisor's word is there: the reason stands in another log, or above the first line.",),
        evidence=told[:3],
    )
