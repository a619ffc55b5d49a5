"""What a line says of somebody else is no trouble of this server; what it says of this one is."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import END, GET, NO_FLASK, TERM, raising, start

SAYS = "[2026-11-27 09:02:00 +0000] [11] "
UNIT = "Nov 27 09:03:00 web "


def journal(text: str, stream: str = "gunicorn[10]") -> str:
    """Return the lines as the system's journal prints them."""
    return "".join(f"{UNIT}{stream}: {line}\n" for line in text.splitlines())


def compose(text: str, service: str = "api-1") -> str:
    """Return the lines as `docker compose up` prints them."""
    return "".join(f"{service}  | {line}\n" for line in text.splitlines())


SOMEBODY_ELSE = {
    "a path": start() + GET.replace("GET /", "GET /kb/OOMKilled-explained"),
    "a path of a router": start() + GET + 'method=GET path="/kb/OOMKilled" status=200\n',
    "a program that a worker runs": start() + SAYS + "[WARNING] ffmpeg exited with code 137, retrying\n",
    "a worker's error": start() + SAYS + "[ERROR] Segmentation fault reported by a customer\n",
    "an app's logger": start() + "2026-11-27 09:02:00,000 WARNING shop.jobs ffmpeg exit status 139\n",
    "a JSON logger": start() + '{"levelname": "WARNING", "message": "ffmpeg exited with code 137"}\n',
    "another service": compose(start() + GET) + "celery-1 exited with code 137\n",
    "another service, before": "celery-1 exited with code 137\n" + compose(start() + GET),
    "another service's crash": compose(start()) + compose("Segmentation fault", "redis-1") + compose(GET),
    "another service's library": compose(start())
    + compose("x: error while loading shared libraries: liby.so", "db-1")
    + compose(GET),
    "the kernel on chrome": journal(start()) + UNIT + "kernel: Out of memory: Killed process 999 (chrome)\n",
    "the kernel on ffmpeg": journal(start()) + UNIT + "kernel: ffmpeg[4242]: segfault at 0 ip 00007f error 4\n",
    "another unit": journal(start())
    + UNIT
    + "systemd[1]: other.service: Main process exited, code=killed, status=11/SEGV\n"
    + journal(GET),
    "another dyno": "".join(f"2026-11-27T09:00:00+00:00 app[web.1]: {line}\n" for line in start().splitlines())
    + "2026-11-27T09:00:00+00:00 heroku[worker.1]: Process exited with status 137\n",
    "a health check of an upstream": start() + SAYS + "[WARNING] health check failed for upstream billing\n" + GET,
    "a readiness probe": start() + "Readiness probe failed: connection refused\n" + GET,
    "a readiness probe, last": start() + "Readiness probe failed: connection refused\n",
    "a liveness probe that did no harm": start() + "Liveness probe failed: timeout\n" + GET,
    "a probe long before the stop": start()
    + "2026-11-27 07:00:00 kubelet: Readiness probe failed: timeout\n"
    + "[2026-11-27 08:00:00 +0000] [10] [INFO] Handling signal: term\n",
}

THIS_ONE = {
    "a known pid": (journal(start()) + UNIT + "kernel: Out of memory: Killed process 11 (shop-web)\n", "oom-kill"),
    "a name": (journal(start()) + UNIT + "kernel: Out of memory: Killed process 99 (gunicorn)\n", "oom-kill"),
    "a name in a segfault": (
        journal(start()) + UNIT + "kernel: python3[99]: segfault at 0 ip 0 error 4\n",
        "native-crash",
    ),
    "its service": (compose(start() + GET) + "api-1 exited with code 137\n", "oom-kill"),
    "its container": (start() + GET + "Last State: Terminated  Reason: OOMKilled  Exit Code: 137\n", "oom-kill"),
    "its unit": (
        journal(start() + GET)
        + UNIT
        + "systemd[1]: shop.service: Main process exited, code=killed, status=11/SEGV\n"
        + journal(start()),
        "native-crash",
    ),
    "its shell": (compose(start()) + compose("Segmentation fault (core dumped)"), "native-crash"),
    "its dyno": (
        "".join(f"2026-11-27T09:00:00+00:00 app[web.1]: {line}\n" for line in start().splitlines())
        + "2026-11-27T09:00:00+00:00 heroku[web.1]: Process exited with status 137\n",
        "oom-kill",
    ),
    "its launcher, beside others": (
        compose("ready", "redis-1") + compose("exec /usr/bin/gunicorn: exec format error", "api-1"),
        "launcher-error",
    ),
    "a supervisor with levels": (
        "2026-11-27 09:00:00,000 INFO exited: shop (exit status 137; not expected)\n",
        "oom-kill",
    ),
    "a probe and a stop": (start() + GET + "Readiness probe failed: timeout\n" + GET + TERM, "external-stop"),
}


@pytest.mark.parametrize("name", SOMEBODY_ELSE)
def test_of_somebody_else(name: str):
    """The log is healthy."""
    assert classes(told(SOMEBODY_ELSE[name])) == []


@pytest.mark.parametrize("name", THIS_ONE)
def test_of_this_server(name: str):
    """It is the incident."""
    text, cause_class = THIS_ONE[name]

    assert [found[0] for found in classes(told(text))] == [cause_class]


def test_a_server_that_had_ended_by_itself():
    """The exit status of another container beside it is no second incident."""
    found = told(raising(NO_FLASK) + "celery-1 exited with code 137\n")

    assert classes(found) == [("dependency-missing", 1)]
    assert "Reason" in END


STOPPING = "[2026-11-27 09:05:00 +0000] [10] [INFO] Handling signal: term\n"


def test_a_kill_after_an_ordered_stop():
    """It took too long to stop: memory has nothing to do with it."""
    end = "api-1 exited with code 137\n"

    assert classes(told(compose(start() + GET + STOPPING) + end)) == [("shutdown-timeout", 1)]
    assert classes(told(compose(start() + GET + TERM) + end)) == []
    assert classes(told(compose(start() + GET + STOPPING) + end.replace("api", "celery"))) == []


def test_a_kill_of_the_next_server():
    """The stop was another one's."""
    text = compose(start() + GET + STOPPING + start() + GET) + "api-1 exited with code 137\n"

    assert classes(told(text)) == [("oom-kill", 1)]


def test_a_line_is_evidence_once():
    """Also where it is both what was said and what proves it."""
    (incident,) = told("heroku[web.1]: Error R15 (Memory quota vastly exceeded)\n").incidents

    assert len(incident.evidence) == len(set(incident.evidence)) == 1


def test_many_requests_after_a_note_are_passed_over():
    """Once one was answered, the rest of the access log is not looked at."""
    found = told(start() + "celery-1 exited with code 137\n" + GET * 2_000 + TERM)

    assert classes(found) == []
    assert found.inputs.lines == 4 + 1 + 2_000 + 2


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (
            "2026-11-27T09:00:00.1+00:00 app[web.1]: bash: line 1: gunicorn: command not found\n"
            "2026-11-27T09:00:00.2+00:00 heroku[web.1]: Process exited with status 127\n"
            "2026-11-27T09:30:00.2+00:00 app[web.1]: a later line of something else\n",
            "2026-11-27T09:00:00.200Z",
        ),
        (
            start() + GET + "2026-11-27 09:02:00,000 WARN exited: gunicorn (exit status 137; not expected)\n",
            "2026-11-27T09:02:00.000Z",
        ),
        (
            start() + GET + TERM.partition("\n")[0] + "\n2026-11-27T09:05:10Z heroku[web.1]: Process exited with "
            "status 137\n",
            "2026-11-27T09:05:10.000Z",
        ),
        (
            "2026-11-27T09:07:00Z Traceback (most recent call last):\n"
            '2026-11-27T09:07:00Z   File "/srv/shop/wsgi.py", line 4, in <module>\n'
            "2026-11-27T09:07:00Z     import flask\n"
            f"2026-11-27T09:07:00Z {NO_FLASK}\n"
            "2026-11-27T09:08:00Z later\n",
            "2026-11-27T09:07:00.000Z",
        ),
    ],
    ids=["never started", "ended", "killed in a stop", "an exception alone"],
)
def test_a_death_that_a_line_alone_tells_has_its_time(text: str, at: str):
    """The last of the lines that tell of it."""
    (incident,) = told(text).incidents

    assert (incident.first_seen, incident.last_seen) == (at, at)
    assert incident.pattern.times


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        ([("shutdown-timeout", 1)], "sending SIGKILL to api.1 (pid 10)"),
        ([("shutdown-timeout", 1)], "sending SIGKILL to all processes"),
        ([], "sending SIGKILL to mail.1 (pid 70)"),
    ],
)
def test_a_runner_of_a_procfile_kills_what_does_not_stop(expected: list[tuple[str, int]], line: str):
    """It speaks beside the processes, and names the one that it kills."""
    text = compose(start() + GET + STOPPING, "09:00:00 api.1") + f"09:05:05 system | {line}\n"

    assert classes(told(text)) == expected


def test_a_runner_that_kills_what_is_left_speaks_of_others():
    """This server had stopped."""
    text = compose(start() + GET + TERM, "09:00:00 api.1") + "09:05:05 system | sending SIGKILL to all processes\n"

    assert classes(told(text)) == []
