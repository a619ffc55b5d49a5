"""Timeouts as they are pasted: without a start, without a pid, in a tracker's own form; and stops that take too long."""

from __future__ import annotations

import json

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, SITE, frame, start

HEAD = "[2026-11-27 09:{} +0000] [{}] "
ABORT = frame(SITE + "gunicorn/workers/base.py", "handle_abort", "sys.exit(1)")
VIEW = frame("/srv/shop/views.py", "orders", "rows = slow()")
REQUEST = frame(SITE + "gunicorn/workers/sync.py", "handle_request", "respiter = self.wsgi(environ)") + VIEW


def named(text: str) -> list[str]:
    """Return the classes that are told of a log."""
    return [name for name, _ in classes(told(text))]


def timed_out(at: str, *pids: int) -> str:
    """Return what the master says of workers whose time is over."""
    return "".join(HEAD.format(at, 1) + f"[CRITICAL] WORKER TIMEOUT (pid:{pid})\n" for pid in pids)


@pytest.mark.parametrize(
    "text",
    [
        "SystemExit: 1\n" + VIEW + ABORT,
        "SystemExit\n1\n\nStacktrace (most recent call last):\n\n" + VIEW + ABORT,
        "Traceback (most recent call last):\n" + REQUEST + ABORT,
        REQUEST + ABORT + "\n" + GET,
        (VIEW + ABORT).replace(", line 9, in", ", in"),
    ],
)
def test_an_abort_whose_exception_stands_elsewhere(text: str):
    """A tracker of errors names the exception above its frames; others leave its line out."""
    assert named(text) == ["request-timeout"]


def test_an_exception_above_its_frames_is_read_with_them():
    """As the app's own error that a request met, of which nobody dies."""
    assert named("ValueError: no such order\n" + VIEW) == []


def test_a_boot_of_which_only_the_import_is_left():
    """No frame of the app is there, and none of a request."""
    text = frame("<frozen importlib._bootstrap>", "_call_with_frames_removed") + ABORT + "SystemExit: 1\n"

    assert named(text) == ["boot-timeout"]
    assert named(REQUEST + text) == ["request-timeout"]


@pytest.mark.parametrize(
    "text",
    [
        "[CRITICAL] WORKER TIMEOUT\n",
        "[CRITICAL] WORKER TIMEOUT (pid:XXX)\n[INFO] Booting worker with pid: XXX\n",
        HEAD.format("00:00", 1) + "[CRITICAL] WORKER TIMEOUT (pid:***)\n",
        HEAD.format("00:00", 9) + "[INFO] worker received SIGABRT signal\n",
        HEAD.format("00:00", 9) + "[WARNING] Worker timeout (pid: 9)\n",
    ],
)
def test_a_timeout_whose_pid_was_left_out_or_that_a_hook_tells(text: str):
    """People blacken pids; a hook speaks in the worker's own voice."""
    assert named(text) == ["request-timeout"]


def test_a_setting_of_that_name_is_none():
    """Whoever talks of it times nobody out."""
    assert named(start() + "INFO:app:WORKER TIMEOUT is set to 90 seconds\n" + GET) == []


def test_workers_that_follow_each_other_at_the_limit():
    """Their starts were left out: who comes to be known after the others had ended took their place."""
    assert named(timed_out("00:30", 7) + timed_out("01:01", 20) + timed_out("01:32", 30)) == ["boot-timeout"]
    assert named(timed_out("00:30", 7) + timed_out("03:21", 20) + timed_out("04:49", 30)) == ["request-timeout"]
    assert named(timed_out("00:30", 7) + timed_out("01:01", 6) + timed_out("01:32", 5)) == ["request-timeout"]


def test_all_workers_again_and_again():
    """No requests hold all of them at once, twice."""
    assert named(timed_out("00:30", 7, 8, 9) + timed_out("16:10", 70, 71, 72)) == ["boot-timeout"]
    assert named(timed_out("00:30", 7, 8) + timed_out("16:10", 70)) == ["request-timeout"]


def test_workers_killed_above_those_that_were_timed_out():
    """The log begins with their end, and shows no start."""
    killed = "".join(
        HEAD.format("00:00", 1) + f"[WARNING] Worker with pid {pid} was terminated due to signal 9\n" for pid in (7, 8)
    )

    assert named(killed + timed_out("00:30", 20, 21) + timed_out("01:01", 30, 31)) == ["boot-timeout"]


def stopped(after: str, worker_class: str = "uvicorn.workers.UvicornWorker", *said: str) -> str:
    """Return a server that is told to stop, what is said then, and its end."""
    return (
        start().replace("Using worker: sync", f"Using worker: {worker_class}")
        + HEAD.format("05:00", 10)
        + "[INFO] Handling signal: term\n"
        + "".join(HEAD.format(after, 11) + f"{line}\n" for line in said)
        + HEAD.format(after, 10)
        + "[INFO] Shutting down: Master\n"
    )


def test_a_stop_that_ends_when_its_time_is_over():
    """Workers of uvicorn need not say that they exit: a stop that takes as long as it may tells that they did not."""
    assert named(stopped("05:30")) == ["shutdown-timeout"]
    assert named(stopped("05:07")) == []
    assert named(stopped("05:30", "uvicorn.workers.UvicornWorker", "[INFO] Finished server process [11]")) == []


def test_requests_that_a_stop_drops():
    """A worker of gevent ends by itself, and says what it cost."""
    said = ("[WARNING] Worker graceful timeout (pid:11)", "[INFO] Worker exiting (pid: 11)")

    assert named(stopped("05:30", "gevent", *said)) == ["shutdown-timeout"]
    assert named(start() + HEAD.format("05:00", 11) + said[0] + "\n" + GET) == []
    assert named(stopped("05:00", "gevent", *said)) == []


def test_a_worker_that_lives_on_beside_those_that_were_timed_out():
    """All load the same: where one of them goes on for seconds, the others did not load for too long."""
    born = "".join(HEAD.format("00:00", pid) + f"[INFO] Booting worker with pid: {pid}\n" for pid in (7, 8, 9))
    later = "".join(HEAD.format("02:05", pid) + f"[INFO] Booting worker with pid: {pid}\n" for pid in (20, 21))

    assert named(born + timed_out("02:00", 7) + timed_out("02:01", 8) + later) == ["request-timeout"]
    assert named(born + timed_out("02:00", 7, 9) + timed_out("02:01", 8) + later) == ["boot-timeout"]


def test_workers_of_a_log_without_times():
    """Each that was started was timed out."""
    round_of = "[INFO] Booting worker with pid: {0}\nloading the weights\n[CRITICAL] WORKER TIMEOUT (pid:{0})\n"

    assert named("".join(round_of.format(pid) for pid in (7, 12, 17))) == ["boot-timeout"]
    assert named(GET + "".join(round_of.format(pid) for pid in (7, 12, 17))) == ["request-timeout"]
    others = "".join(
        f"[CRITICAL] WORKER TIMEOUT (pid:{pid})\n[INFO] Booting worker with pid: {pid + 40}\n" for pid in (7, 8, 9)
    )
    assert named(others) == ["request-timeout"]


def test_a_line_that_another_had_not_ended():
    """A bar of progress stands before Gunicorn's words; what a client sends does not count."""
    bar = "Downloading:  12%|#1   | 51M/440M [00:25<03:02, 2.1MB/s]"
    begun = start("20.1.0")

    assert named(begun + bar + timed_out("00:31", 11)) == ["boot-timeout"]
    assert named(begun + f'10.0.0.9 - - "GET /?q={timed_out("00:31", 11).strip()} HTTP/1.1" 200 5\n' + GET) == []


def test_a_kill_that_follows_the_traceback_of_an_abort():
    """No line names the worker but that of its end."""
    killed = HEAD.format("00:31", 1) + "[ERROR] Worker (pid:61) was sent SIGKILL! Perhaps out of memory?\n"

    assert named(VIEW + ABORT + "SystemExit: 1\n" + killed) == ["request-timeout"]


def ended(*lines: str) -> str:
    """Return the last lines of a log whose head was cut off, of workers 11 and 12 and their master 10."""
    return "".join(HEAD.format("05:00", 10) + f"{line}\n" for line in lines) + HEAD.format("05:00", 10)


@pytest.mark.parametrize(
    "lines",
    [
        ("[INFO] Worker exiting (pid: 11)", "[INFO] Worker exiting (pid: 12)"),
        ("[ERROR] Worker (pid:11) was sent SIGTERM!", "[ERROR] Worker (pid:12) was sent SIGTERM!"),
    ],
)
def test_a_stop_whose_order_was_cut_off(lines: tuple[str, ...]):
    """A master that ends without a reason was told to."""
    assert named(ended(*lines) + "[INFO] Shutting down: Master\ncat: web.pid: No such file or directory\n") == []


def test_a_stop_that_took_too_long_whose_order_was_cut_off():
    """What it killed just before had not obeyed; a master that names a reason was not told to stop."""
    killed = ended("[WARNING] Worker with pid 11 was terminated due to signal 9") + "[INFO] Shutting down: Master\n"

    assert named(killed) == ["shutdown-timeout"]
    assert named(killed + HEAD.format("05:00", 10) + "[INFO] Reason: Worker failed to boot.\n") == ["app-exception"]


def test_the_last_line_of_an_abort():
    """Of an app that exits while it is loaded Gunicorn prints nothing."""
    text = "    sys.exit(1)\nSystemExit: 1\n" + HEAD.format("05:00", 11) + "[INFO] Worker exiting (pid: 11)\n"

    assert named(text + HEAD.format("05:01", 12) + "[INFO] Booting worker with pid: 12\n") == ["request-timeout"]


def test_a_worker_that_ended_as_those_after_it():
    """Its own timeout is cut off; it has the status of those that were timed out."""
    later = "".join(
        HEAD.format(f"0{minute}:00", pid)
        + f"[INFO] Booting worker with pid: {pid}\n"
        + timed_out(f"0{minute}:30", pid)
        + HEAD.format(f"0{minute}:31", 1)
        + f"[ERROR] Worker (pid:{pid}) exited with code 1\n"
        for minute, pid in ((5, 12), (6, 13))
    )

    assert named(HEAD.format("05:00", 1) + "[ERROR] Worker (pid:11) exited with code 1\n" + later) == ["boot-timeout"]


def test_a_line_that_looks_like_gunicorns_refusal_before_a_signal():
    """Who takes signals has read its configuration."""
    stop = HEAD.format("05:00", 10) + "[INFO] Handling signal: int\n"

    assert named("Error: no local settings, defaults it is\n" + stop) == []


@pytest.mark.parametrize("how", ["json", "page"])
def test_an_abort_without_its_head_as_a_platform_or_a_page_prints_it(how: str):
    """The quotes of its frames are escaped, its lines end as a page's do."""
    boot = frame("/srv/shop/wsgi.py", "<module>", "from shop import app") + ABORT + "SystemExit: 1\n"
    lines = boot.splitlines()
    told_so = [
        json.dumps({"log": f"{line}\n", "stream": "stderr"}) if how == "json" else f"{line}<br />" for line in lines
    ]

    assert named("\n".join(told_so) + "\n") == ["boot-timeout"]


def asgi(*lines: str) -> str:
    """Return a start of workers 7 and 8 of uvicorn, whose own lines bear no pid."""
    head = (
        start("20.1.0")
        .partition("[2026-11-27 09:00:00 +0000] [11]")[0]
        .replace("worker: sync", "worker: uvicorn.workers")
    )
    born = "".join(HEAD.format("00:00", pid) + f"[INFO] Booting worker with pid: {pid}\n" for pid in (7, 8))
    return head + born + "".join(f"INFO:     {line}\n" for line in lines)


BEGINS = ("Started server process [7]", "Waiting for application startup.")
OTHER = ("Started server process [8]", "Waiting for application startup.")
READY = "Application startup complete."


def test_uvicorns_lines_that_bear_no_pid():
    """Whose they are is known by the process that was named before; of two that begin at once when both are through."""
    both = timed_out("01:00", 7, 8)

    assert named(asgi(*BEGINS, READY, *OTHER, READY) + both) == ["request-timeout"]
    assert named(asgi(*BEGINS, *OTHER, READY, READY) + both) == ["request-timeout"]
    assert named(asgi(*BEGINS, *OTHER) + timed_out("00:47", 7, 8)) == ["boot-timeout"]
    assert named(asgi(*BEGINS, READY, *OTHER) + timed_out("00:47", 8)) == ["boot-timeout"]


def test_what_logging_could_not_write_without_its_first_line():
    """Logging prints the way to the line too, and goes on: nobody dies of that, wherever the log begins."""
    chld = frame(SITE + "gunicorn/arbiter.py", "run", "handler()") + frame(
        SITE + "gunicorn/arbiter.py", "reap_workers", "self.cfg.child_exit(self, worker)"
    )
    hook = frame("/srv/gunicorn.conf.py", "child_exit", "server.log.warning('worker %s has died', worker.pid)")
    emit = frame("/usr/lib/python3.12/logging/__init__.py", "emit", "stream.write(msg + self.terminator)")
    error = "RuntimeError: reentrant call inside <_io.BufferedWriter name='<stderr>'>\n"
    trace = "Traceback (most recent call last):\n" + chld + hook + emit + error
    way = "Call stack:\n" + chld + hook + "Message: 'worker %s has died'\nArguments: (7,)\n"
    end = HEAD.format("00:00", 1) + "[INFO] Shutting down: Master\n"

    assert named(trace + way) == named(trace + way + end) == []
    assert named(chld + hook + emit + error + way + end) == []
    assert named(trace + end) == ["config-file-error"]


EXITING = HEAD.format("{}", 11) + "[INFO] Worker exiting (pid: 11)\n"
RECYCLED = HEAD.format("00:50", 11) + "[INFO] Autorestarting worker after current request.\n"


def test_a_worker_that_left_its_loop_and_did_not_end():
    """A thread of the app holds it up: it had been told to stop, unless it was only its turn to be replaced."""
    text = EXITING.format("00:58") + timed_out("01:28", 11)

    assert named(text) == ["shutdown-timeout"]
    assert named(RECYCLED + text) == ["request-timeout"]
    assert named(timed_out("01:28", 11) + EXITING.format("01:28")) == ["request-timeout"]


def test_a_worker_that_is_replaced_gives_up_idle_connections():
    """Nobody waits for it; after a reload somebody does."""
    overdue = HEAD.format("01:28", 11) + "[WARNING] Worker graceful timeout (pid:11)\n"

    assert named(RECYCLED + overdue + EXITING.format("01:28")) == []
    assert named(start() + HEAD.format("00:50", 10) + "[INFO] Handling signal: hup\n" + overdue) == ["shutdown-timeout"]


def test_workers_whose_proxy_gave_up_before_them():
    """The log begins where requests wait already: they are what kept the workers, unless a boot is in the log."""
    gave_up = '10.0.0.2 - - [27/Nov/2026:09:00:20 +0000] "POST /invocations HTTP/1.1" 504 192 "-" "-"\n'
    over = timed_out("00:22", 21, 22, 23, 24)

    assert set(named(over)) == {"boot-timeout"}
    assert set(named(gave_up + over)) == {"request-timeout"}


def test_a_worker_that_is_killed_with_those_that_booted_too_long():
    """The line of its own timeout, and of its start, stand above the log."""
    text = "".join(HEAD.format("00:00", pid) + f"[INFO] Booting worker with pid: {pid}\n" for pid in (9, 10))
    text += timed_out("00:30", 9, 10)
    text += "".join(
        HEAD.format("00:31", 1) + f"[WARNING] Worker with pid {pid} was terminated due to signal 9\n"
        for pid in (8, 9, 10)
    )

    assert classes(told(text)) == [("boot-timeout", 3)]
