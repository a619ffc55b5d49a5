"""What platforms, supervisors and proxies say of a server in words of their own."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, TERM, start

LOOPBACK = start().replace("http://0.0.0.0:8000", "http://127.0.0.1:8000")
UPSTREAM = (
    "2026/11/27 09:02:00 [error] 7#7: *1 connect() failed (111: Connection refused) while connecting to upstream, client: "
    '10.0.0.9, request: "GET / HTTP/1.1", upstream: "http://10.0.0.5:8000/", host: "shop"\n'
)


@pytest.mark.parametrize(
    "text",
    [
        "(service shop) (port 8000) is unhealthy in (target-group shop) due to (reason Request timed out)\n",
        "==> Timed out after waiting for internal health check to return a successful response code at: shop /up\n",
        "ERROR failed health checks after 3 attempts with error Readiness probe failed: dial tcp 10.0.0.5:8080\n",
        "27-11-2026 09:00:00 Container /shop (a1b2c3) found to be unhealthy - Restarting container now\n",
        '"task: non-zero exit (137): dockerexec: unhealthy container"\n',
        "Terminating EC2 instance: it was taken out of service in response to an ELB system health check failure.\n",
        'Restart Signaled  healthcheck: check "alive" unhealthy\n',
        "Nov 27 09:00:00 web systemd[1]: gunicorn.service: Watchdog timeout (limit 30s)!\n"
        "Nov 27 09:00:00 web systemd[1]: gunicorn.service: Main process exited, code=killed, status=6/ABRT\n",
    ],
)
def test_a_platform_that_ends_a_server(text: str):
    """Its health check failed; where the server answers afterwards, and nobody stopped it, it did not."""
    assert [name for name, _ in classes(told(text))] == ["external-stop"]


def test_a_health_check_that_an_app_speaks_of_is_its_own():
    """A server that goes on was not ended."""
    said = "2026-11-27 09:02:00,000 ERROR health checks failing for the price service\n"

    assert classes(told(start() + said + GET + TERM)) == []


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-27 09:00:11,000 INFO stopped: gunicorn (terminated by SIGKILL)\n",
        'level=warning msg="StopSignal SIGTERM failed to stop container shop in 10 seconds, resorting to SIGKILL"\n',
    ],
)
def test_a_stop_that_ended_in_sigkill(text: str):
    """The supervisor lost patience."""
    assert [name for name, _ in classes(told(text))] == ["shutdown-timeout"]
    assert classes(told(text.replace("SIGKILL", "SIGTERM"))) == []


def test_a_listener_that_nobody_outside_reaches():
    """A proxy in another container says so, quoting the request, and Fly.io lists who listens where."""
    assert [name for name, _ in classes(told(LOOPBACK + UPSTREAM))] == ["bad-bind-address"]
    assert classes(told(start() + GET + UPSTREAM + GET + TERM)) == []
    table = "  PROCESS           | ADDRESSES\n  gunicorn shop:app | {}:8000\n"
    assert [name for name, _ in classes(told(table.format("127.0.0.1")))] == ["bad-bind-address"]
    assert classes(told(table.format("0.0.0.0"))) == []


def killed_and_timed_out(*, cut: bool) -> str:
    """Return what a master says of two workers that it killed, and of the two after them."""
    head = "[2026-11-27 09:{} +0000] [{}] "
    born = "".join(head.format("00:00", pid) + f"[INFO] Booting worker with pid: {pid}\n" for pid in (11, 12))
    killed = "".join(
        head.format("05:00", 10)
        + f"[WARNING] Worker with pid {pid} was terminated due to signal 9\n"
        + head.format("05:01", pid + 10)
        + f"[INFO] Booting worker with pid: {pid + 10}\n"
        for pid in (11, 12)
    )
    timed_out = "".join(head.format("07:01", 10) + f"[CRITICAL] WORKER TIMEOUT (pid:{pid})\n" for pid in (21, 22))
    return ("" if cut else born) + killed + timed_out


def test_workers_that_are_killed_where_the_log_begins():
    """Those in their place are timed out: so were they. Where their own timeout would be seen, they were not."""
    assert [name for name, _ in classes(told(killed_and_timed_out(cut=True)))] == ["boot-timeout"]
    assert "oom-kill" in [name for name, _ in classes(told(killed_and_timed_out(cut=False)))]


EXITING = "[2026-11-27 09:05:{:02} +0000] [11] [INFO] Worker exiting (pid: 11)\n"
ORDER, _, HALT = TERM.partition("\n")
SCAN = "==> Port scan timeout reached, no open ports detected. Bind your service to at least one port.\n==> Timed Out\n"
SYSTEMD = "Nov 27 09:04:59 web systemd[1]: gunicorn.service: {} operation timed out. Terminating.\n"


@pytest.mark.parametrize(
    ("cause_class", "text"),
    [
        ("external-stop", start() + ORDER + "\n" + EXITING.format(0) + HALT + SCAN),
        ("boot-timeout", start() + ORDER + "\n" + EXITING.format(20) + HALT + SCAN),
        ("boot-timeout", start() + ORDER + "\n" + HALT + SCAN),
        ("boot-timeout", start().replace("09:00:00", "09:04:59") + ORDER + "\n" + EXITING.format(0) + HALT + SCAN),
        ("external-stop", start("19.6.0") + SYSTEMD.format("Start") + TERM),
        ("boot-timeout", SYSTEMD.format("Start")),
    ],
)
def test_whoever_waits_for_a_start_that_is_over(cause_class: str, text: str):
    """A worker that leaves at once was in its loop, and Gunicorn tells systemd as soon as it listens."""
    assert [name for name, _ in classes(told(text))] == [cause_class]


def test_a_master_cut_off_while_it_stops_is_stopping():
    """It had been told to: of what it prints then nothing is a cause."""
    cut = 'Traceback (most recent call last):\n  File "/usr/lib/python3/dist-packages/gunicorn/arbiter.py", line 211, in run\n'

    assert [name for name, _ in classes(told(start() + GET + ORDER + "\n" + cut + "  File "))] == []


EVENT = (
    "Warning  Unhealthy  3m (x30 over 8m)  kubelet  Readiness probe failed: "
    'Get "http://172.17.0.3:{}/": dial tcp 172.17.0.3:{}: connect: connection refused\n'
)


def test_a_readiness_probe_that_never_gets_through():
    """It fails while any server starts; one that listens on the loopback address it never reaches."""
    assert [name for name, _ in classes(told(LOOPBACK + EVENT.format(8000, 8000)))] == ["bad-bind-address"]
    assert classes(told(LOOPBACK + EVENT.format(9000, 9000))) == []
    assert classes(told(start() + EVENT.format(8000, 8000))) == []
    assert classes(told(LOOPBACK + EVENT.format(8000, 8000) + GET)) == []
