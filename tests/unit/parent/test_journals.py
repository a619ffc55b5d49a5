"""Whether a master left a journal."""

from __future__ import annotations

import os
from pathlib import Path

from bootcheck.model.journal import Key
from bootcheck.parent.journals import has_left, is_armed
from bootcheck.probes.process import start_ticks


def test_it_is_found_in_each_place_and_in_the_folder_of_our_own(tmp_path: Path):
    """A directory that others can write to holds one."""
    environ = {"BOOTCHECK_DIR": str(tmp_path / "named"), "STATE_DIRECTORY": f"{tmp_path / 'state'}:/elsewhere"}
    for folder in (tmp_path / "named", tmp_path / "state" / f"bootcheck-{os.geteuid()}"):
        folder.mkdir(parents=True)
        assert not has_left(7, 99, environ)
        (folder / Key("master", 7, 99).file_name).touch()
        assert has_left(7, 99, environ)
        assert not has_left(7, 98, environ)
        (folder / Key("master", 7, 99).file_name).unlink()


def test_looking_makes_no_directory(tmp_path: Path):
    """A plain server that was healthy leaves nothing."""
    assert not has_left(7, 99, {"BOOTCHECK_DIR": str(tmp_path / "named")})
    assert not list(tmp_path.iterdir())


def test_a_living_process_is_armed_while_its_journal_is_there(tmp_path: Path):
    """Under its own start time: a pid alone may have been another's."""
    environ = {"BOOTCHECK_DIR": str(tmp_path)}
    (tmp_path / Key("master", os.getpid(), 1).file_name).touch()
    assert not is_armed(os.getpid(), environ)
    (tmp_path / Key("master", os.getpid(), start_ticks()).file_name).touch()
    assert is_armed(os.getpid(), environ)
