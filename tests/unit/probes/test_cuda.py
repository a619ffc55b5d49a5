"""CUDA in the master: seen from torch's own word (a stand-in: there is no GPU here), without calling anything."""

from __future__ import annotations

import sys
import types

from bootcheck.probes import cuda


def test_torch_says_it(monkeypatch):
    """Its module's flag, read as it stands."""
    stand_in = types.ModuleType("torch.cuda")
    monkeypatch.setitem(sys.modules, "torch.cuda", stand_in)
    assert cuda.initialised() is None
    stand_in._initialized = False  # type: ignore[attr-defined]
    assert cuda.initialised() is None
    stand_in._initialized = True  # type: ignore[attr-defined]
    assert cuda.initialised() == "torch.cuda is initialised"


def test_a_descriptor_of_the_driver_says_it(tmp_path, monkeypatch):
    """Whatever library opened it; the management library's device does not count."""
    monkeypatch.setattr(cuda.os.path, "exists", lambda path: True)
    (tmp_path / "3").symlink_to("/dev/nvidiactl")
    assert cuda.initialised(str(tmp_path)) is None
    (tmp_path / "4").symlink_to("/dev/nvidia-uvm")
    assert "nvidia-uvm" in str(cuda.initialised(str(tmp_path)))


def test_a_machine_without_it_is_not_searched(tmp_path, monkeypatch):
    """Nothing is open where there is no device."""
    monkeypatch.setattr(cuda.os.path, "exists", lambda path: False)
    assert cuda.initialised(str(tmp_path / "missing")) is None
