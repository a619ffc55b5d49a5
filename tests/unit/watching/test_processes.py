"""What a process uses: both tables agree about a real one, and neither minds that it is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bootcheck.watching.masters import is_master
from bootcheck.watching.processes import Cpu, Proc, Psutil, Table, Usage


@pytest.fixture(params=["proc", "psutil"])
def table(request: pytest.FixtureRequest) -> Table:
    """A table of this machine's processes."""
    if request.param == "psutil":
        pytest.importorskip("psutil")
        return Psutil()
    return Proc()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """A Python that has begun, and waits."""
    code = "import sys; print('here', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"MARK": "yes"}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        yield process


def test_a_process_that_lives(table: Table, child: subprocess.Popen[str]):
    """Its parent, its words, its environment, what it uses."""
    usage = table.usage(child.pid)

    assert table.parents()[child.pid] == os.getpid()
    assert table.command(child.pid)[1] == "-c"
    assert table.environment(child.pid)["MARK"] == "yes"
    assert usage is not None
    assert usage.started is not None
    assert usage.rss_bytes is not None
    assert usage.rss_bytes > 1 << 20
    assert usage.descriptors is not None
    assert usage.descriptors >= 3
    assert (usage.threads, usage.cpu_s is not None) == (1, True)


def test_both_tables_agree(child: subprocess.Popen[str]):
    """About one that does nothing."""
    pytest.importorskip("psutil")
    one, other = Proc().usage(child.pid), Psutil().usage(child.pid)
    assert one is not None
    assert other is not None

    assert (one.rss_bytes, one.descriptors, one.threads) == (other.rss_bytes, other.descriptors, other.threads)
    assert one.cpu_s == pytest.approx(other.cpu_s, abs=0.05)
    assert one.started == pytest.approx(other.started, abs=1.5)


def test_a_process_that_has_ended(table: Table, child: subprocess.Popen[str]):
    """Also while nobody has reaped it."""
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    for _ in range(2):
        assert table.usage(child.pid) is None
        assert child.pid not in table.parents()
        child.wait()
    assert (table.command(child.pid), table.environment(child.pid)) == ([], {})


def test_the_share_of_a_cpu():
    """Between two looks, on a clock that the test sets; a pid that came round again begins anew."""
    now = [100.0]
    cpu = Cpu(lambda: now[0])
    assert cpu.percent(Usage(pid=1, start=5, cpu_s=2.0)) is None
    now[0] += 4
    assert cpu.percent(Usage(pid=1, start=5, cpu_s=3.0)) == 25.0
    assert cpu.percent(Usage(pid=1, start=9, cpu_s=0.5)) is None


@pytest.mark.parametrize(
    ("command", "master"),
    [
        ("/srv/venv/bin/python3 /srv/venv/bin/gunicorn app:app", True),
        ("python -X faulthandler -u -m gunicorn app:app", True),
        ("gunicorn: master [shop]", True),
        ("/usr/bin/gunicorn -c x app:app", True),
        ("python -m bootcheck run -- gunicorn app:app", False),
        ("vi gunicorn", False),
        ("python manage.py gunicorn", False),
        ("gunicorn: worker [shop]", False),
        ("", False),
    ],
)
def test_what_is_a_master(command: str, master: bool):
    """By its words alone."""
    words = [command] if command.startswith("gunicorn:") else command.split()

    assert is_master(words) is master
