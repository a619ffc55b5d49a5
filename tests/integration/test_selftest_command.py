"""`bootcheck selftest`: real servers prove the installation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.commands import bootcheck
from tests.integration.harness import SOURCE


def test_a_working_installation_passes_every_line(tmp_path: Path):
    """It says what it did, and leaves nothing but the report directory."""
    done = bootcheck(tmp_path, "selftest")

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "This installation works."
    assert all(line.startswith("ok ") for line in lines[:-1])
    assert len(lines) > 10
    assert os.listdir(tmp_path) == ["reports"]
    assert os.listdir(tmp_path / "reports") == []


@pytest.mark.wide
def test_a_broken_installation_fails_and_says_where(tmp_path: Path):
    """With bootcheck switched off inside the servers, nothing is refused and no report is there."""
    broken = tmp_path / "broken"
    broken.mkdir()
    # Imported at the start of every Python of this run: the servers' `arm` does nothing.
    (broken / "sitecustomize.py").write_text(
        "import bootcheck.gunicorn.arm as arming\narming.arm = lambda *a, **k: None\n"
    )
    done = bootcheck(tmp_path, "selftest", "--timeout", "6", PYTHONPATH=f"{broken}{os.pathsep}{SOURCE}")

    assert done.returncode == 1
    assert "FAILED a missing variable" in done.stdout
    assert "does not work" in done.stdout.splitlines()[-1]


def test_settings_of_the_user_do_not_disturb_it(tmp_path: Path):
    """The servers of the test run with settings of their own."""
    done = bootcheck(
        tmp_path,
        "selftest",
        GUNICORN_CMD_ARGS="--workers 0 --nonsense",
        BOOTCHECK_ENFORCE="observe",
        BOOTCHECK_LOG="off",
    )

    assert done.returncode == 0, done.stdout + done.stderr
