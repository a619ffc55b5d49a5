"""What a process is and uses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from bootcheck.probes import process
from tests.integration.harness import wait_until
from tests.unit.children import forked


def test_memory_is_read_through_a_descriptor_that_stays_open():
    """Bytes of this process, and no new descriptor per reading."""
    rss = process.Rss()
    first = rss()
    before = process.open_descriptors()
    for _ in range(5):
        assert rss() is not None

    assert first is not None
    assert 4_000_000 < first < 2**40
    assert process.open_descriptors() == before


def test_a_forked_child_measures_itself():
    """The inherited descriptor would go on measuring the parent."""
    rss = process.Rss()
    rss()

    def grow() -> list[int]:
        before = rss() or 0
        ballast = bytearray(60_000_000)
        ballast[::4096] = b"x" * len(ballast[::4096])
        return [before, rss() or 0]

    (before, after), _ = forked(grow)
    assert after - before > 50_000_000


def test_without_proc_memory_is_unknown(monkeypatch: pytest.MonkeyPatch):
    """None, and no error."""
    rss = process.Rss()
    real = os.open

    def without_proc(path: str, *args: int) -> int:
        if str(path).startswith("/proc"):
            raise FileNotFoundError(path)
        return real(path, *args)

    monkeypatch.setattr(process, "os", SimpleNamespace(**{**vars(os), "open": without_proc}))
    assert rss() is None
    assert process.start_ticks() == 0
    assert process.command_line(os.getpid()) == []


def test_pid_and_start_time_name_a_process():
    """The same for the same process, whoever asks; unknown for one that is gone."""
    mine = process.start_ticks()

    assert mine > 0
    assert process.start_ticks(os.getpid()) == mine
    assert forked(lambda: process.start_ticks(os.getppid()))[0] == mine
    assert forked(process.start_ticks)[0] >= mine
    assert process.start_ticks(2**22 + 1) == 0


def test_the_name_of_a_process_does_not_hide_its_start():
    """The command in /proc/PID/stat may hold spaces and brackets."""

    def rename() -> list[int]:
        with open("/proc/self/comm", "w", encoding="utf-8") as file:
            file.write("a) b (c) 1 2")
        return [process.start_ticks(), os.getpid()]

    (ticks, _), _ = forked(rename)
    assert ticks >= process.start_ticks()


def test_ticks_become_a_time():
    """This process started before now, not before this machine."""
    at = process.started_at(process.start_ticks())

    assert at is not None
    assert time.time() - 86400 * 30 < at <= time.time() + 1
    assert process.started_at(0) is None


def test_the_machine_has_a_boot_id():
    """Pids and ticks repeat after a restart."""
    assert len(process.boot_id()) in (0, 36)


def test_arguments_of_a_process():
    """As it was started; none of one that is gone."""
    assert os.path.basename(process.command_line(os.getpid())[0]).startswith("python") or sys.executable
    assert process.command_line(2**22 + 1) == []


def test_descriptors_are_counted():
    """One more for one that is opened."""
    before = process.open_descriptors(os.getpid())
    assert before is not None
    read, write = os.pipe()
    assert process.open_descriptors(os.getpid()) == before + 2
    os.close(read)
    os.close(write)
    assert process.open_descriptors(2**22 + 1) is None


def test_a_container_is_known_by_its_marks(monkeypatch: pytest.MonkeyPatch):
    """Kubernetes sets a variable; docker and podman leave a file."""
    there: set[str] = set()
    path = SimpleNamespace(exists=there.__contains__)
    monkeypatch.setattr(process, "os", SimpleNamespace(path=path, environ=os.environ))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert not process.in_container()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert process.in_container()
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    there.add("/run/.containerenv")
    assert process.in_container()


def test_what_a_process_uses_has_the_names_of_opentelemetry():
    """Of one that is gone nothing is known."""
    found = process.measures(os.getpid())

    assert found["process.memory.virtual"] >= found["process.memory.usage"] > 1 << 20
    assert found["process.thread.count"] >= 1
    assert found["process.unix.file_descriptor.count"] == process.open_descriptors(os.getpid())
    assert process.measures(2**22 + 1) == {}


def test_status_and_environment_of_a_process():
    """As the kernel shows them; empty where it shows none."""
    assert process.status_of(os.getpid())["Pid"] == str(os.getpid())
    assert process.status_of(2**22 + 1) == {}
    with subprocess.Popen(["sleep", "60"], env={"NAME": "a=b", "EMPTY": ""}) as child:
        try:
            # It is there a moment before its environment is.
            wait_until(lambda: process.environment_of(child.pid), "the environment", 30)
            assert process.environment_of(child.pid) == {"NAME": "a=b", "EMPTY": ""}
        finally:
            child.kill()
    assert process.environment_of(2**22 + 1) == {}
