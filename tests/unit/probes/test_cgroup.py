"""Memory limit and kills of a control group, in every layout that containers show."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootcheck.probes.cgroup import Kills, memory_group


def lay(root: Path, **files: str) -> None:
    """Write files whose names have `__` for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


EVENTS = "low 0\nhigh 0\nmax 3\noom 2\noom_kill 2\noom_group_kill 0\n"


@pytest.mark.parametrize("folder", ["system.slice/shop.service", "", "unified/system.slice/shop.service"])
def test_version_2_wherever_it_is_mounted(tmp_path: Path, folder: str):
    """On a host, in a container whose root is the group, and beside version 1."""
    group = tmp_path / folder
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.events").write_text(EVENTS)
    (group / "memory.max").write_text("268435456\n")

    found = memory_group("0::/system.slice/shop.service\n", str(tmp_path))

    assert found is not None
    assert (found.version, found.oom_kills(), found.limit_bytes()) == (2, 2, 268435456)


@pytest.mark.parametrize("folder", ["memory/docker/abc", "memory"])
def test_version_1_on_the_host_and_in_a_container(tmp_path: Path, folder: str):
    """The controllers stand in the second field, the path may be the host's."""
    group = tmp_path / folder
    group.mkdir(parents=True)
    (group / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n")
    (group / "memory.limit_in_bytes").write_text("1048576\n")

    membership = "12:pids:/docker/abc\n5:cpu,cpuacct:/\n4:memory:/docker/abc\n0::/\n"
    found = memory_group(membership, str(tmp_path))

    assert found is not None
    assert (found.version, found.oom_kills(), found.limit_bytes()) == (1, 4, 1048576)


@pytest.mark.parametrize("text", ["max\n", "9223372036854771712\n", "", "garbage"])
def test_no_limit_is_none(tmp_path: Path, text: str):
    """`max`, and the number that version 1 says for it."""
    (tmp_path / "memory.events").write_text(EVENTS)
    (tmp_path / "memory.max").write_text(text)
    found = memory_group("0::/\n", str(tmp_path))

    assert found is not None
    assert found.limit_bytes() is None


def test_a_counter_that_cannot_be_read_is_unknown(tmp_path: Path):
    """None is not zero: the verdict says that it may have been memory."""
    (tmp_path / "memory.events").write_text("low 0\n")
    found = memory_group("0::/\n", str(tmp_path))

    assert found is not None
    assert found.oom_kills() is None
    (tmp_path / "memory.events").unlink()
    assert found.oom_kills() is None
    assert found.limit_bytes() is None


@pytest.mark.parametrize("membership", ["", "garbage", "0::/x\n", "a:b"])
def test_without_a_group_there_is_none(tmp_path: Path, membership: str):
    """No /proc, no controller, no file: no guess."""
    assert memory_group(membership, str(tmp_path)) is None


def test_here_it_is_found_or_not_but_never_an_error():
    """Whatever this machine has."""
    found = memory_group()
    assert found is None or found.oom_kills() is None or found.oom_kills() >= 0


class Group:
    """A control group whose counter the test sets."""

    def __init__(self, count: int | None) -> None:
        self.count = count

    def oom_kills(self) -> int | None:
        """Return what the kernel counted."""
        return self.count

    def limit_bytes(self) -> int | None:
        """Return a limit."""
        return 1 << 20


def kills(count: int | None) -> tuple[Kills, Group, list[float]]:
    """Return the subject, its group and its clock."""
    group, now = Group(count), [100.0]
    return Kills(group, 2.0, lambda: now[0]), group, now  # type: ignore[arg-type]


def test_what_was_counted_before_the_start_does_not_count():
    """A container that was killed for memory yesterday starts with a count."""
    subject, _, _ = kills(7)

    assert subject.look() == 0
    assert subject.since(killed=True) == 0


def test_two_kills_before_the_first_look_explain_two_deaths():
    """The kernel kills the second worker before the first one is reaped."""
    subject, group, _ = kills(3)
    assert subject.since(killed=True) == 0
    group.count = 5

    assert [subject.since(killed=True) for _ in range(3)] == [2, 1, 0]


def test_a_rise_that_a_look_has_seen_still_explains_a_death_right_after_it():
    """The kernel counts before its victim is gone."""
    subject, group, now = kills(7)
    group.count = 9

    assert subject.look() == 2
    assert subject.look() == 0
    now[0] += 1
    assert subject.since(killed=True) == 2


def test_an_old_rise_explains_nothing():
    """A subprocess of the app was killed: a later `kill -9` of a worker is not the kernel's."""
    subject, group, now = kills(0)
    group.count = 1
    subject.look()
    now[0] += 1.5
    group.count = 2
    subject.look()
    now[0] += 1
    assert subject.since(killed=True) == 1
    now[0] += 2

    assert subject.since(killed=True) == 0


def test_a_death_of_another_kind_settles_what_was_before_it():
    """Nobody else is looked for then."""
    subject, group, _ = kills(0)
    group.count = 2

    assert subject.since(killed=False) == 2
    assert subject.since(killed=True) == 0


def test_an_unreadable_count_is_unknown():
    """Not zero."""
    subject, group, _ = kills(None)

    assert subject.look() == 0
    assert subject.since(killed=True) is None
    assert subject.limit_bytes() == 1 << 20
    group.count = 1
    assert subject.since(killed=True) is None
