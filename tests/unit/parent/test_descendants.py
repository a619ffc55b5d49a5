"""Children, adopted or not, and who is a successor."""

from __future__ import annotations

import subprocess

import pytest

from bootcheck.parent.descendants import _is_copy, children, daemon_of, upgrade_of
from tests.integration.harness import wait_until


def test_living_children_are_found_and_dead_ones_are_not():
    """One that only waits to be reaped is none."""
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    assert child.pid in children()
    child.communicate()

    assert child.pid not in children()


def test_the_new_master_of_an_upgrade_names_the_old_one():
    """As Gunicorn does since 19.9, whatever its title is."""
    new = subprocess.Popen(["cat"], stdin=subprocess.PIPE, env={"GUNICORN_PID": "4711"})
    try:
        # It is a child a moment before its environment can be read.
        wait_until(lambda: upgrade_of(4711) == new.pid, "the new master", 30)
        assert upgrade_of(471) is None
    finally:
        new.communicate()


def test_a_copy_in_a_session_of_its_own_is_a_daemon_and_another_program_is_not():
    """The same command line, or a journal: a helper has neither."""
    left = subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True)
    try:
        assert daemon_of(["cat"], lambda _: False) == left.pid
        assert daemon_of(["ssh-agent"], lambda _: False) is None
        assert daemon_of(["ssh-agent"], lambda pid: pid == left.pid) == left.pid
    finally:
        left.communicate()


@pytest.mark.parametrize(
    ("found", "copy"),
    [(["python", "gunicorn"], True), (["gunicorn: master [app:app]"], True), (["python"], False), ([], False)],
)
def test_a_copy_has_the_command_line_or_gunicorns_title(found: list[str], copy: bool):
    """With setproctitle it changes after the fork."""
    assert _is_copy(found, ["python", "gunicorn"]) is copy
