"""The sender of a signal, as the extension gave it: each origin, what is kept and what is not believed."""

from __future__ import annotations

import os
import signal
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from bootcheck.probes import sender
from tests.unit.children import forked

TERM = int(signal.SIGTERM)


class Extension:
    """`bootcheck_siginfo` as far as it is used."""

    COMMAND_SIZE = 32

    def __init__(self) -> None:
        self.watched: list[int] = []
        self.coming: list[Any] = []

    def watch(self, signo: int) -> bool:
        """Remember it."""
        self.watched.append(signo)
        return True

    def take(self) -> list[Any]:
        """Return what came, once."""
        came, self.coming = self.coming, []
        return came

    def came(self, **facts: Any) -> None:
        """Let a signal have come."""
        usual = {
            "signo": TERM,
            "code": 0,
            "pid": 812,
            "uid": 7,
            "at": 1.0,
            "name": b"kill",
            "command": b"kill\x001\x00",
        }
        self.coming.append(SimpleNamespace(**{**usual, "parent": 700, "parent_command": b"sh\x00run\x00", **facts}))


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch) -> Extension:
    """A fake one, found."""
    fake = Extension()
    monkeypatch.setattr(sender, "_extension", fake)
    monkeypatch.setattr(sender, "_why", "")
    monkeypatch.setattr(sender, "_kept", {})
    monkeypatch.setattr(sender, "_owner", os.getpid())
    return fake


@pytest.fixture
def nobody_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state of a process that has not looked for the extension."""
    monkeypatch.setattr(sender, "_extension", None)
    monkeypatch.setattr(sender, "_why", "")
    monkeypatch.setattr(sender, "_kept", {})


def test_a_sender_in_this_namespace(extension: Extension):
    """Pid, uid, what it ran and who had started it."""
    extension.came()

    assert sender.first(TERM) == {
        "origin": "this namespace",
        "pid": 812,
        "uid": 7,
        "name": "kill",
        "command": "kill 1",
        "parent_pid": 700,
        "parent_command": "sh run",
    }


def test_the_first_one_counts(extension: Extension):
    """A second sender of the same signal came too late; other signals have their own."""
    extension.came(pid=1001)
    assert sender.first(TERM)["pid"] == 1001
    extension.came(pid=1002)
    extension.came(pid=1003, signo=int(signal.SIGINT))

    assert sender.first(TERM)["pid"] == 1001
    assert sender.first(int(signal.SIGINT))["pid"] == 1003


def test_what_a_handler_passes_on_has_no_sender(extension: Extension):
    """Faulthandler raises the signal again in its own process; that is not who sent it."""
    extension.came(code=-6, pid=os.getpid())
    assert sender.first(TERM)["origin"] == "unknown"
    assert "raised the signal itself" in sender.first(TERM)["why"]
    extension.came(pid=900)

    assert sender.first(TERM)["pid"] == 900


@pytest.mark.parametrize(
    ("facts", "origin"),
    [
        ({"pid": 0, "uid": 0}, "outside this PID namespace"),
        ({"code": 0x80, "pid": -1, "uid": -1}, "kernel"),
        ({"code": -2, "pid": -1, "uid": -1}, "unknown"),
    ],
    ids=["outside", "kernel", "timer"],
)
def test_senders_without_a_pid(extension: Extension, facts: dict[str, Any], origin: str):
    """No pid is made up, and what is known of the receiver stands in for it."""
    extension.came(**facts)
    told = sender.first(TERM)

    assert told["origin"] == origin
    assert "pid" not in told
    assert told["own_parent"] == os.getppid()


def test_parent_and_itself_are_told(extension: Extension):
    """The two senders that are known by their pid alone."""
    extension.came(pid=os.getppid())
    extension.came(pid=os.getpid(), signo=int(signal.SIGINT))

    assert sender.first(TERM)["relation"] == "parent"
    assert sender.first(int(signal.SIGINT))["relation"] == "itself"


def test_a_sender_that_was_gone_has_a_pid_only(extension: Extension):
    """Nothing could be read of it any more."""
    extension.came(name=b"", command=b"", parent=0, parent_command=b"")

    assert sender.first(TERM) == {"origin": "this namespace", "pid": 812, "uid": 7}


def test_an_argument_that_was_cut_is_not_shown(extension: Extension):
    """Half a secret is one that no redactor would know; the whole is read where the process still lives."""
    extension.came(pid=2**22 + 5, command=b"tool\x00--token\x00abcdefghijklmnopqrs"[:32].ljust(32, b"z"))
    told = sender.first(TERM)

    assert told["command"] == "tool --token …"


def test_a_long_command_of_a_living_process_is_whole(extension: Extension):
    """The handler kept its beginning; the rest is still there to be read."""
    with open("/proc/self/cmdline", "rb") as file:
        mine = file.read()
    if len(mine) <= Extension.COMMAND_SIZE:
        pytest.skip("this interpreter was started with a short command line")
    extension.came(pid=os.getpid(), command=mine[: Extension.COMMAND_SIZE])

    assert sender.first(TERM)["command"] == mine.rstrip(b"\0").replace(b"\0", b" ").decode()


def test_the_proc_of_another_namespace_is_not_believed(extension: Extension, monkeypatch: pytest.MonkeyPatch):
    """Where /proc numbers processes differently, what stands under the sender's pid is somebody else."""
    monkeypatch.setattr(os, "readlink", lambda path: "4711")
    extension.came()

    assert sender.first(TERM) == {"origin": "this namespace", "pid": 812, "uid": 7}


def test_each_order_is_told_once(extension: Extension):
    """Signals that come again and again are taken in turn."""
    extension.came(pid=11)
    extension.came(pid=12)
    assert [one["pid"] for one in sender.arrived(TERM)] == [11, 12]
    assert sender.arrived(TERM) == []
    extension.came(pid=13)

    assert [one["pid"] for one in sender.arrived(TERM)] == [13]


def test_what_came_to_the_parent_is_not_the_childs(extension: Extension):
    """A fork inherits the memory, not the signals."""
    extension.came()
    assert sender.first(TERM)["pid"] == 812

    assert forked(lambda: sender.first(TERM)["origin"])[0] == "unknown"


def test_without_the_extension_nothing_is_watched_and_the_reason_is_kept(
    nobody_looked: None, monkeypatch: pytest.MonkeyPatch
):
    """It is looked for once; that it is missing is said with what to install."""
    monkeypatch.setitem(sys.modules, "bootcheck_siginfo", None)
    sender.watch([TERM])
    told = sender.first(TERM)

    assert told["origin"] == "unknown"
    assert told["own_parent"] == os.getppid()
    # None in sys.modules is an ImportError that names the module.
    assert told["why"] == "bootcheck-siginfo is not installed (pip install 'bootcheck[siginfo]')"


def test_an_extension_that_cannot_be_loaded_is_no_missing_one(
    nobody_looked: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
):
    """Built for another system, for example: the reason is the loader's."""
    (tmp_path / "bootcheck_siginfo.py").write_text("raise ImportError('wrong ELF class')\n")
    monkeypatch.delitem(sys.modules, "bootcheck_siginfo", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))

    assert sender.first(TERM)["why"] == "bootcheck-siginfo cannot be loaded: wrong ELF class"


def test_watching_hands_the_numbers_on(extension: Extension):
    """One call for each signal."""
    sender.watch((signal.SIGTERM, signal.SIGINT))

    assert extension.watched == [int(signal.SIGTERM), int(signal.SIGINT)]
