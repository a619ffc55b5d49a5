"""`bootcheck monitor` beside real Gunicorns: who comes and goes, what they use, their health, their reports."""

from __future__ import annotations

import os
import signal

import pytest

from tests.integration.harness import HELLO, wait_until
from tests.integration.test_incidents import plain
from tests.integration.watchers import Watcher, watching

BREAKS = """
import os
def app(environ, start_response):
    ok = not os.path.exists("broken")
    start_response("200 OK" if ok else "500 Internal Server Error", [])
    return [b"ok"]
"""


def changes(watcher: Watcher) -> str:
    """Return what has changed so far."""
    return "; ".join(told["text"] for told in watcher.events("change"))


def test_a_worker_that_is_killed_and_the_end_of_the_master(serve):
    """Samples with real figures, the respawn, the report with its verdict; over when the master is."""
    server = serve(workers=2).wait_ready(2)
    health = f"http://127.0.0.1:{server.port}/"
    with watching("monitor", server.pid, "--health", health, "--format", "json") as watcher:
        first = watcher.until(lambda: watcher.events("sample"))[0]
        victim = server.workers()[0]
        os.kill(victim, signal.SIGKILL)
        death = watcher.until(lambda: watcher.events("death"))[0]
        watcher.until(lambda: any(len(told["workers"]) == 2 and told["respawns"] for told in watcher.events("sample")))
        server.stop()
        assert watcher.end(None) == 1
        (end,) = watcher.events("incidents")
        (summary,) = watcher.events("summary")
        changed = changes(watcher)

    assert first["master"]["pid"] == server.pid
    assert len(first["workers"]) == 2
    assert all(told["rss_bytes"] > 1 << 20 and told["descriptors"] and told["threads"] for told in first["workers"])
    assert (first["health"]["url"], first["health"]["status"]) == (health, 200)
    assert (death["code"], death["pid"]) == ("BC506", victim)
    assert f"worker {victim} is gone after " in changed
    assert f"master {server.pid} is gone after " in changed
    assert [(one["code"], one["count"]) for one in end["incidents"]] == [("BC506", 1)]
    assert any(told.startswith(f"worker {victim}, ") for told in summary["processes"])


def test_a_server_without_bootcheck_and_its_successor(serve):
    """By its pidfile: the next master is followed; a health that fails three times in a row is a finding."""
    server = plain(serve, BREAKS, options=["--pid", "gunicorn.pid"])
    server.get()
    with watching("monitor", server.home / "gunicorn.pid", "--health", f"http://127.0.0.1:{server.port}/") as watcher:
        watcher.until(lambda: ", health 200 in " in watcher.out)
        (server.home / "broken").touch()
        watcher.until(lambda: "health has failed 3 times in a row: 500" in watcher.out)
        (server.home / "broken").unlink()
        watcher.until(lambda: "health is good again" in watcher.out)
        old = server.pid
        server.stop()
        watcher.until(lambda: f"master {old} is gone after " in watcher.out)
        server.start()
        watcher.until(lambda: f"a new master is {server.pid}" in watcher.out)
        assert watcher.end() == 1
        out = watcher.out

    assert "Over the time:" in out
    assert "Nobody died while this was watched." in out
    server.stop()


def test_nothing_stands_out(serve):
    """Found by a part of its title; 0 at Ctrl-C, also after a reload."""
    name = f"shop-{os.getpid()}"
    server = plain(serve, HELLO, options=["--name", name])
    server.get()
    with watching("monitor", name, "--format", "json") as watcher:
        before = watcher.until(lambda: watcher.events("sample"))[0]["workers"][0]["pid"]
        server.signal(signal.SIGHUP)
        watcher.until(lambda: f"{before} is gone" in changes(watcher))
        assert watcher.end() == 0
        assert watcher.events("incidents")[0]["incidents"] == []
    server.stop()


def test_the_pid_of_what_started_it(serve):
    """A shell, an init, `bootcheck run`: the master below it is meant."""
    server = plain(serve, HELLO, prefix=["sh", "-c", '"$@"; exit $?', "sh"])
    server.get()
    (master,) = server.workers()
    with watching("monitor", server.pid, "--format", "json") as watcher:
        first = watcher.until(lambda: watcher.events("sample"))[0]
        assert watcher.end() == 0
    os.kill(master, signal.SIGTERM)
    server.wait()

    assert first["master"]["pid"] == master
    assert len(first["workers"]) == 1


def test_an_upgrade_is_followed(serve):
    """SIGUSR2: the new master is not a stranger, and the old one's end no death."""
    server = plain(serve, HELLO, options=["--pid", "gunicorn.pid"])
    server.get()
    with watching("monitor", server.pid) as watcher:
        watcher.until(lambda: "1 worker, " in watcher.out)
        server.signal(signal.SIGUSR2)
        second = wait_until(
            lambda: (
                [pid for pid in (server.home / "gunicorn.pid.2").read_text().split() if pid.isdecimal()]
                if (server.home / "gunicorn.pid.2").exists()
                else None
            ),
            server.story,
        )
        server.wait_for_line("Booting worker", count=2)
        server.signal(signal.SIGTERM)
        server.wait()
        watcher.until(lambda: f"the new master is {second[0]}" in watcher.out)
        assert watcher.end() == 0
    os.kill(int(second[0]), signal.SIGTERM)
    wait_until(lambda: not server.processes(), server.story)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["99999999"], "no process fits"),
        (["no-such-server-anywhere"], "no process fits"),
        (["/nowhere/gunicorn.pid"], "is no pidfile"),
        ([str(os.getpid()), "--health", "ftp://x"], "no URL to ask"),
    ],
)
def test_what_cannot_be_monitored(words: list[str], why: str):
    """2, and what to name instead."""
    with watching("monitor", *words) as watcher:
        assert watcher.end(None) == 2
        assert why in watcher.err
