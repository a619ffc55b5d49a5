"""Temporary directories and files that whoever ends first removes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from bootcheck.marks import fork_safe
from bootcheck.probes import heap, temporary


def paths() -> set[str]:
    """Return what is found."""
    kind = temporary.file_kind()
    assert kind is not None
    return {entry["path"] for entry in temporary.kept(heap.of_kinds({"files": kind})[0]["files"])}


def test_what_is_removed_at_the_end_of_a_process_is_found(tmp_path: Path):
    """A directory and a file; neither what is closed, kept on purpose, gone or marked."""
    with tempfile.TemporaryDirectory(dir=tmp_path) as directory, tempfile.NamedTemporaryFile(dir=tmp_path) as file:
        kept = tempfile.NamedTemporaryFile(dir=tmp_path, delete=False)  # noqa: SIM115
        marked = fork_safe(tempfile.TemporaryDirectory(dir=tmp_path))
        gone = tempfile.TemporaryDirectory(dir=tmp_path)
        shutil.rmtree(gone.name)
        found = {path for path in paths() if path.startswith(str(tmp_path))}
        assert found == {directory, file.name}
        kept.close()
        marked.cleanup()
        gone._finalizer.detach()  # type: ignore[attr-defined]

    assert not {path for path in paths() if path.startswith(str(tmp_path))}
