"""How a worker ended, where the lines of one end come in another order than it happened."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, SITE, frame, start

MASTER = "[2026-11-27 09:05:00 +0000] [10] "
EXITING = "[2026-11-27 09:05:00 +0000] [11] [INFO] Worker exiting (pid: 11)\n"


@pytest.mark.parametrize("order", ["term", "int", "quit"])
def test_a_signal_to_the_whole_group(order: str):
    """A worker may say that it exits before the master says why: a clean stop is no incident."""
    sent = f"{MASTER}[ERROR] Worker (pid:11) was sent SIG{order.upper()}!\n"
    text = start() + GET + EXITING + f"{MASTER}[INFO] Handling signal: {order}\n" + sent

    assert classes(told(text + f"{MASTER}[INFO] Shutting down: Master\n")) == []


def test_a_worker_that_exits_before_the_master_says_why_and_hangs():
    """It had the signal too: what kills it after the grace period is the stop."""
    sent = "[2026-11-27 09:05:40 +0000] [10] [ERROR] Worker (pid:11) was sent SIGKILL! Perhaps out of memory?\n"
    text = start() + GET + EXITING + f"{MASTER}[INFO] Handling signal: term\n" + sent

    assert classes(told(text)) == [("shutdown-timeout", 1)]


def test_a_reload_of_the_whole_group():
    """A worker that cannot take SIGHUP is reaped before the master says that it reloads: nothing is wrong."""
    sent = f"{MASTER}[ERROR] Worker (pid:11) was sent SIGHUP!\n"
    text = start() + sent + f"{MASTER}[INFO] Handling signal: hup\n{MASTER}[INFO] Hang up: Master\n"

    assert classes(told(text)) == []
    assert classes(told(start() + sent)) == [("external-stop", 1)]


def test_a_signal_to_one_worker():
    """With no stop of the server it is told."""
    text = start() + EXITING + f"{MASTER}[ERROR] Worker (pid:11) was sent SIGTERM!\n"

    assert classes(told(text)) == [("external-stop", 1)]


def test_a_master_that_stopped_and_finds_its_socket_gone():
    """It was told to stop and had stopped: that somebody removed its socket harms nothing."""
    arbiter, head = SITE + "gunicorn/arbiter.py", "Traceback (most recent call last):\n"
    stopped = head + frame(arbiter, "run", "handler()") + frame(arbiter, "handle_term", "raise StopIteration")
    again = "StopIteration\n\nDuring handling of the above exception, another exception occurred:\n\n" + head
    failed = frame("/venv/bin/gunicorn", "<module>", "sys.exit(run())") + frame(arbiter, "run", "self.halt()")
    gone = frame(SITE + "gunicorn/sock.py", "close_sockets", "os.unlink(sock_name)")
    hook = frame(arbiter, "halt", "self.cfg.on_exit(self)") + frame("/srv/gunicorn.conf.py", "on_exit", "open(x)")
    text = start() + GET + f"{MASTER}[INFO] Handling signal: term\n" + EXITING + stopped + again + failed

    assert classes(told(text + gone + "FileNotFoundError: [Errno 2] No such file: '/run/g.sock'\n")) == []
    assert classes(told(text + hook + "FileNotFoundError: [Errno 2] No such file: 'x'\n")) != []


@pytest.mark.parametrize(("begin", "expected"), [("", [("request-timeout", 2)]), (start(), [("oom-kill", 1)])])
def test_a_kill_among_timeouts_where_the_log_begins(begin: str, expected: list[tuple[str, int]]):
    """The line that it was timed out is cut off; a worker that the log saw start was killed by somebody else."""
    kill = "[ERROR] Worker (pid:{}) was sent SIGKILL! Perhaps out of memory?\n"
    text = begin + f"{MASTER}[CRITICAL] WORKER TIMEOUT (pid:12)\n" + MASTER + kill.format(11) + MASTER + kill.format(12)

    assert [item for item in classes(told(text)) if item in expected] == expected


STARTING = "[2026-11-27 09:04:59 +0000] [11] [INFO] Waiting for application startup.\n"
STARTED = "[2026-11-27 09:05:03 +0000] [11] [INFO] Application startup complete.\n"
STOP = f"{MASTER}[INFO] Handling signal: term\n"


def test_a_stop_in_the_middle_of_an_applications_start():
    """Uvicorn says that the start-up has begun: the order came before it was over, however it ended after that."""
    (incident,) = told(start() + STARTING + STOP + STARTED + EXITING).incidents

    assert (incident.code, incident.cause, incident.cause_class) == ("BC505", "sigterm", "external-stop")
    assert "in step app.lifespan" in incident.summary
    assert incident.first_seen == "2026-11-27T09:05:00.000Z"


BARE = "INFO:     Waiting for application startup.\nINFO:     Application startup complete.\n"
BOOTS = "[2026-11-27 09:04:58 +0000] [12] [INFO] Booting worker with pid: 12\n"
OTHER = STARTED.replace("[11]", "[12]")


@pytest.mark.parametrize(
    "text",
    [
        STARTING + STARTED + STOP + EXITING,
        STARTING + EXITING + STOP,
        BARE + STOP + EXITING,
        BARE.partition("\n")[0] + "\n" + STOP + EXITING,
        GET + STARTING + STOP + EXITING,
        BOOTS + STARTING + OTHER + STOP + EXITING,
    ],
    ids=["after", "gone", "no-pid", "no-pid-open", "served", "another-is-ready"],
)
def test_a_stop_after_the_start_or_where_others_serve(text: str):
    """Nothing that anybody waited for was cut short, or nobody can tell."""
    assert classes(told(start() + text + f"{MASTER}[INFO] Shutting down: Master\n")) == []


def test_a_start_that_the_master_had_to_kill():
    """Who outlives the grace period is killed for that."""
    killed = "[2026-11-27 09:05:40 +0000] [10] [ERROR] Worker (pid:11) was sent SIGKILL! Perhaps out of memory?\n"

    assert classes(told(start() + STARTING + STOP + killed)) == [("shutdown-timeout", 1)]


def test_workers_that_were_ready_before_their_timeout():
    """The log begins within their boots, and all of them were up when their time was over."""
    head = "[2026-11-27 09:{} +0000] [{}] "
    ready = "".join(head.format("00:01", pid) + "[INFO] Application startup complete.\n" for pid in (12, 13))
    over = "".join(head.format("00:31", 10) + f"[CRITICAL] WORKER TIMEOUT (pid:{pid})\n" for pid in (11, 12, 13, 14))
    others = "".join(head.format("00:31", pid) + f"[INFO] Booting worker with pid: {pid}\n" for pid in (21, 22))

    assert {name for name, _ in classes(told(ready + over + others))} == {"request-timeout"}
    assert {name for name, _ in classes(told(over + others))} == {"boot-timeout"}


def test_an_ordered_stop_whose_traceback_is_cut():
    """The master leaves its loop by an exception of its own: what it failed at afterwards is not in the log."""
    arbiter = f"{SITE}gunicorn/arbiter.py"
    head = "Traceback (most recent call last):\n"
    stopped = head + frame(arbiter, "run", "handler()") + frame(arbiter, "handle_term", "raise StopIteration")

    assert classes(told(start() + GET + stopped + "StopIteration\n\nDuring handling of the above exc")) == []


def test_a_worker_that_raises_once_more_on_its_way_out():
    """Other code closed its sockets: the heartbeat's file, which it closes at last, is gone too. One death, told once."""
    arbiter = f"{SITE}gunicorn/arbiter.py"
    lost = "OSError: [Errno 9] Bad file descriptor\n"
    began = "Traceback (most recent call last):\n" + frame(arbiter, "spawn_worker", "worker.init_process()")
    ran = began + frame(f"{SITE}gunicorn/workers/sync.py", "run", "s.setblocking(0)") + lost
    during = (
        "\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n"
    )
    exits = frame(arbiter, "spawn_worker", "sys.exit(-1)") + "SystemExit: -1\n"
    closes = frame(f"{SITE}gunicorn/workers/workertmp.py", "close", "return self._tmp.close()") + lost
    line = "[2026-11-27 09:00:01 +0000] [11] [{}\n"
    log = (
        start()
        + line.format("ERROR] Exception in worker process")
        + ran
        + line.format("INFO] Worker exiting (pid: 11)")
        + line.format("WARNING] Exception during worker exit:")
        + ran
        + during
        + exits
        + during
        + frame(arbiter, "spawn_worker", "worker.tmp.close()")
        + closes
    )
    (incident,) = told(log).incidents

    assert (incident.cause_class, incident.count, [who["pid"] for who in incident.processes]) == (
        "app-exception",
        1,
        [11],
    )
    assert "found its sockets or pipes closed by other code" in incident.summary
    assert "os.closerange" in incident.action[0]


@pytest.mark.parametrize(
    "path", [f"{SITE}gunicorn/workers/sync.py", f"{SITE}meinheld/gmeinheld.py", "/srv/shop/load.py"]
)
def test_whoever_pressed_ctrl_c_ended_it(path: str):
    """In a worker, of whatever class, in a request or in a start, and in the master."""
    spawn = frame(f"{SITE}gunicorn/arbiter.py", "spawn_worker", "worker.init_process()")
    head = "[2026-11-27 09:00:01 +0000] [11] [ERROR] Exception in worker process\nTraceback (most recent call last):\n"
    log = start() + head + spawn + frame(path, "run", "serve()") + "KeyboardInterrupt\n" + EXITING

    assert classes(told(log)) == []
    master = "Traceback (most recent call last):\n" + frame(f"{SITE}gunicorn/arbiter.py", "setup", "self.app.wsgi()")
    assert classes(told(master + frame(path, "run", "serve()") + "KeyboardInterrupt\n")) == []


def test_a_traceback_beside_a_word_that_any_program_begins_with():
    """`Error: ` of a start script says less than the traceback that it printed before."""
    log = (
        "Starting the panel... failed\n[Traceback (most recent call last):\n"
        + frame(f"{SITE}gunicorn/util.py", "load_class", "mod = import_module('.'.join(components))")
        + "ModuleNotFoundError: No module named 'geventwebsocket'\n]\n\nError: the panel could not be started.\n"
    )

    (incident,) = told(log).incidents
    assert incident.cause_class == "worker-class-unavailable"
    assert "\n" not in incident.summary
