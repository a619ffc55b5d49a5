"""What workers of one start tell of each other, where the traceback of one is in the log in part only."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import SITE, frame

HEAD = "[2026-11-27 09:00:0{} +0000] [{}] {}\n"
LAST = "django.core.exceptions.ImproperlyConfigured: Unable to import plugin shelves: Module not found.\n"
WHOLE = (
    "Traceback (most recent call last):\n"
    + frame("/srv/shop/settings.py", "<module>", "plugin = import_module(name)")
    + frame("/usr/lib/python3.12/importlib/__init__.py", "import_module", "return _gcd_import(name)")
    + "ModuleNotFoundError: No module named 'shelves'\n"
)
AGAIN = (
    "\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n"
    + frame(SITE + "gunicorn/arbiter.py", "spawn_worker", "worker.init_process()")
)


def log(*, second: int = 1, end: str = "", error: str = LAST) -> str:
    """Return a log that begins with the last line of one worker's traceback; another one's, whole or cut, follows."""
    text = error + HEAD.format(1, 11, "[INFO] Worker exiting (pid: 11)")
    return text + HEAD.format(second, 12, "[ERROR] Exception in worker process") + WHOLE + AGAIN + end


@pytest.mark.parametrize(
    "end", ["", frame("/srv/shop/settings.py", "<module>", "raise ImproperlyConfigured(text)") + LAST]
)
def test_the_head_of_the_log_is_like_what_follows(end: str):
    """One cause, and it is what both came from."""
    assert classes(told(log(end=end))) == [("dependency-missing", 2)]


def test_another_time_is_another_trouble():
    """Seconds later it may be another start."""
    assert classes(told(log(second=9))) == [("env-config", 1), ("dependency-missing", 1)]


def test_what_tells_more_is_not_overridden():
    """The class that decides first stays."""
    error = "SyntaxError: invalid syntax\n"

    assert ("app-syntax-error", 1) in classes(told(log(error=error)))


def test_last_words_are_like_the_traceback_beside_them():
    """Two workers of an ASGI app fail at once, and the traceback of one stands between the lines of the other."""
    begun = "".join(HEAD.format(0, pid, f"[INFO] Booting worker with pid: {pid}") for pid in (11, 12))
    trace = "Traceback (most recent call last):\n" + frame(
        "/srv/shop/app.py", "start", "ping = socket(AF_INET, SOCK_RAW)"
    )
    lines = "[Errno 1] Operation not permitted", "Application startup failed. Exiting."
    ends = "".join(HEAD.format(1, pid, f"[ERROR] {line}") for line in lines for pid in (11, 12))
    told_of = begun + trace + "PermissionError: [Errno 1] Operation not permitted\n" + ends

    assert classes(told(told_of)) == [("permission-denied", 2)]


def test_a_start_that_still_tries_to_bind():
    """Those before it have said why they could not."""
    text = ""
    for second, pid, last in ((1, 11, "Can't connect to ('*', 8000)"), (7, 12, "Retrying in 1 second.")):
        text += HEAD.format(second, pid, "[INFO] Starting gunicorn 20.1.0")
        text += HEAD.format(second, pid, "[ERROR] Retrying in 1 second.") * 3 + HEAD.format(
            second, pid, f"[ERROR] {last}"
        )

    assert classes(told(text)) == [("bad-bind-address", 1)]


def test_the_last_start_of_a_loop_is_cut_off():
    """What the one before it ended of, seconds ago, is why."""
    error = "Traceback (most recent call last):\n" + frame("/srv/shop/app.py", "<module>", "x = os.environ['SHELF']")
    first = HEAD.format(1, 11, "[ERROR] Exception in worker process") + error + "KeyError: 'SHELF'\n"
    first += HEAD.format(1, 11, "[INFO] Worker exiting (pid: 11)") + HEAD.format(2, 1, "[ERROR] Shutting down: Master")
    first += HEAD.format(2, 1, "[ERROR] Reason: Worker failed to boot.")
    again = HEAD.format(8, 1, "[INFO] Starting gunicorn 25.3.0") + HEAD.format(
        8, 12, "[INFO] Booting worker with pid: 12"
    )
    again += HEAD.format(9, 12, "[ERROR] Exception in worker process") + "Traceback (most recent call last):\n"

    assert classes(told(first + again)) == [("env-config", 2)]


def test_one_text_of_two_causes():
    """The app says the same of whatever its start meets; hours lie between them."""
    outer = (
        "\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n"
    )
    outer += (
        frame("/srv/shop/app.py", "<module>", "raise RuntimeError('startup failed')") + "RuntimeError: startup failed\n"
    )
    text = ""
    for hour, pid, inner in (
        (10, 11, "KeyError: 'DATABASE_URL'"),
        (15, 12, "psycopg2.OperationalError: Connection refused"),
    ):
        head = f"[2026-11-27 {hour}:00:00 +0000] [{pid}] "
        text += head + f"[INFO] Booting worker with pid: {pid}\n" + head + "[ERROR] Exception in worker process\n"
        text += "Traceback (most recent call last):\n" + frame(
            "/srv/shop/db.py", "connect", "url = os.environ['DATABASE_URL']"
        )
        text += inner + "\n" + outer + head + f"[INFO] Worker exiting (pid: {pid})\n"

    assert [name for name, _ in classes(told(text))] == ["env-config", "db-unreachable"]
