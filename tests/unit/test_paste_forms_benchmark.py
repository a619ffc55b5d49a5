"""The benchmark of paste forms: each form keeps what it does not mean to take away, and the figures add up."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOST = {"cut-80", "tail-off", "last-10", "last-20", "head-off", "no-code", "no-heads", "no-times", "no-pids"}
"""Forms that may take the line away which tells the cause."""


@pytest.fixture(scope="module")
def forms() -> ModuleType:
    """The benchmark as a module."""
    path = ROOT / "benchmarks" / "paste_forms.py"
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("paste_forms", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "log",
    [
        "dependency-missing/worker-23.0.0.log",
        "app-not-found/module-27.0.1.log",
        "env-config/keyerror-20.1.0.log",
        "none/hup-23.0.0.log",
    ],
)
def test_a_log_keeps_its_answer_in_every_form(forms: ModuleType, log: str):
    """Of those that lose nothing."""
    path = forms.OWN / log
    lines = path.read_text().splitlines()
    lost = {name for name, form in forms.FORMS.items() if forms.answer(form(lines)) != path.parent.name}

    assert lost <= LOST


def test_the_figures(forms: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """What is not understood as it is does not count; nothing to look at is an error."""
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.log").write_text("[2026-11-27 09:00:00 +0000] [1] [INFO] Starting gunicorn 23.0.0\n")
    (tmp_path / "oom-kill").mkdir()
    (tmp_path / "oom-kill" / "b.log").write_text("nothing of that\n")

    assert forms.main(["--logs", str(tmp_path), "--form", "quoted", "--wrong"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 of 2 logs are understood as they are",
        "quoted                   1 kept,    0 lost, 0 of them healthy",
    ]
    assert forms.main(["--logs", str(tmp_path / "no")]) == 2
