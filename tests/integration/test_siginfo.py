"""The extension `bootcheck_siginfo` by itself: it tells who sent a signal, and changes nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import textwrap

import pytest

from tests.integration.harness import Interpreter, sleeps, wait_until

BEGIN = """
import faulthandler, os, signal, sys, time
import bootcheck_siginfo as siginfo
TERM = signal.SIGTERM
came = []
def handler(signo, frame):
    came.append(signo)
def send(signo=TERM):
    os.kill(os.getpid(), signo)
"""


@pytest.fixture
def run(python: Interpreter):
    """Run code in an interpreter that has the extension; returns its exit status and what it printed."""
    if "bootcheck_siginfo" not in python.has:
        pytest.skip("bootcheck-siginfo is not installed there: pip install ./siginfo")

    def begin(code: str) -> tuple[int, str]:
        done = subprocess.run(
            [python.path, "-c", BEGIN + textwrap.dedent(code)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout

    return begin


def test_the_handler_that_was_there_runs_and_getsignal_is_unchanged(run):
    """Python sees its own handler, and so does the signal."""
    assert run("""
        signal.signal(TERM, handler)
        assert siginfo.watch(TERM) and siginfo.watch(TERM)
        assert signal.getsignal(TERM) is handler
        send()
        assert came == [TERM], came
        (one,) = siginfo.take()
        assert (one.signo, one.code, one.pid, one.uid) == (TERM, siginfo.SI_USER, os.getpid(), os.getuid())
        assert one.command.split(b"\\0")[1] == b"-c"
        assert one.parent == os.getppid() and abs(one.at - time.time()) < 60
        assert siginfo.take() == []
    """) == (0, "")


@pytest.mark.parametrize("default", ["SIG_DFL", "SIG_IGN"])
def test_default_and_ignored_signals_stay_what_they_are(run, default):
    """A default action ends the process by the signal; an ignored one is left alone."""
    status, said = run(f"""
        signal.signal(TERM, signal.{default})
        print(siginfo.watch(TERM), flush=True)
        send()
        print("alive", len(siginfo.take()))
    """)

    assert (status, said) == ((-signal.SIGTERM, "True\n") if default == "SIG_DFL" else (0, "False\nalive 0\n"))


def test_a_handler_set_later_replaces_ours_and_nothing_breaks(run):
    """signal.signal needs to know nothing of us; watching again begins anew."""
    assert run("""
        signal.signal(TERM, signal.SIG_DFL)
        siginfo.watch(TERM)
        signal.signal(TERM, handler)
        send()
        assert (came, siginfo.take()) == ([TERM], [])
        siginfo.watch(TERM)
        send()
        assert len(came) == 2 and len(siginfo.take()) == 1
        assert siginfo.unwatch(TERM) and not siginfo.unwatch(TERM)
        send()
        assert len(came) == 3 and siginfo.take() == []
    """) == (0, "")


@pytest.mark.parametrize("order", ["below", "above", "both"])
def test_with_faulthandler_in_the_same_chain(run, order, tmp_path):
    """It puts itself in front again after each signal; in whatever order, nothing runs in a circle."""
    assert run(f"""
        signal.signal(TERM, handler)
        if {order!r} != "above":
            siginfo.watch(TERM)
        fault = open({str(tmp_path / "fault")!r}, "w")
        faulthandler.register(TERM, file=fault, chain=True)
        if {order!r} != "below":
            siginfo.watch(TERM)
        for count in range(1, 21):
            send()
            assert len(came) == count
            if count % 3 == 0 and {order!r} != "below":
                siginfo.watch(TERM)
        senders = [one for one in siginfo.take() if one.code == siginfo.SI_USER]
        assert bool(senders) == ({order!r} != "below"), senders
        faulthandler.unregister(TERM)
        send()
        assert len(came) == 21
    """) == (0, "")
    assert (tmp_path / "fault").read_text().count("Current thread") >= 20


def test_five_hundred_at_once(run):
    """The first sixty-four are kept, the rest counted, and the handler runs as often as without us."""
    assert run("""
        signal.signal(TERM, handler)
        siginfo.watch(TERM)
        for _ in range(500):
            send()
        assert len(came) == 500
        assert (len(siginfo.take()), siginfo.lost()) == (64, 436)
        send()
        assert len(siginfo.take()) == 1
    """) == (0, "")


def test_nothing_is_left_behind_by_watching_for_ever(run):
    """The master's loop watches again at each turn: no reference is taken or given away in the long run."""
    assert run("""
        signal.signal(TERM, handler)
        siginfo.watch(TERM)
        before = sys.getrefcount(True), sys.getrefcount(False)
        for _ in range(20_000):
            siginfo.watch(TERM)
            siginfo.unwatch(TERM)
            siginfo.unwatch(TERM)
            siginfo.take()
        after = sys.getrefcount(True), sys.getrefcount(False)
        assert all(abs(x - y) < 100 for x, y in zip(before, after)), (before, after)
    """) == (0, "")


def test_from_many_threads_and_processes(run):
    """Handlers that run at the same time do not disturb each other."""
    assert run("""
        import subprocess, threading
        signal.signal(signal.SIGUSR1, handler)
        siginfo.watch(signal.SIGUSR1)
        stop = threading.Event()
        threads = [threading.Thread(target=lambda: stop.wait()) for _ in range(8)]
        for thread in threads:
            thread.start()
        script = "i=0; while [ $i -lt 300 ]; do kill -USR1 %d; i=$((i+1)); done" % os.getpid()
        shells = [subprocess.Popen(["sh", "-c", script]) for _ in range(4)]
        pids, seen = {shell.pid for shell in shells}, set()
        while any(shell.poll() is None for shell in shells):
            seen |= {one.pid for one in siginfo.take()}
        seen |= {one.pid for one in siginfo.take()}
        stop.set()
        assert seen and seen <= pids, (seen, pids)
        assert came
    """) == (0, "")


def test_a_forked_child_begins_with_nothing(run):
    """What came to the parent is not the child's; what comes to the child is."""
    assert run("""
        signal.signal(TERM, handler)
        siginfo.watch(TERM)
        send()
        pid = os.fork()
        if not pid:
            assert siginfo.take() == []
            send()
            (one,) = siginfo.take()
            os._exit(0 if one.pid == os.getpid() else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert len(siginfo.take()) == 1
    """) == (0, "")


@pytest.mark.parametrize("restart", [True, False])
def test_a_blocking_call_gives_way_as_it_did_before(python, run, restart):
    """SA_RESTART is the previous handler's: with it the handler waits for the call's end, without it it does not."""
    code = BEGIN + textwrap.dedent(f"""
        def handler(signo, frame):
            os.write(1, b"handler\\n")
        signal.signal(TERM, handler)
        signal.siginterrupt(TERM, not {restart})
        siginfo.watch(TERM)
        os.write(1, b"here\\n")
        os.read(0, 1)
        os.write(1, b"read\\n")
    """)
    with subprocess.Popen([python.path, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        wait_until(lambda: sleeps(process.pid), "a blocking read")
        os.kill(process.pid, signal.SIGTERM)
        if not restart:
            assert process.stdout.readline() == b"handler\n"
        wait_until(lambda: sleeps(process.pid), "a blocking read")
        process.stdin.write(b"x")
        process.stdin.flush()
        said = process.stdout.read()

    assert (said, process.returncode) == (b"handler\nread\n" if restart else b"read\n", 0)


def test_wrong_numbers_are_refused(run):
    """As signal.signal does."""
    assert run("""
        for wrong in (0, -1, 65, 1000):
            try:
                siginfo.watch(wrong)
            except ValueError:
                continue
            raise SystemExit("%d was taken" % wrong)
        try:
            siginfo.watch(signal.SIGKILL)
        except OSError:
            raise SystemExit(0)
        raise SystemExit("SIGKILL was taken")
    """) == (0, "")
