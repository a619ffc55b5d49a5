"""Faults in native code: modules, libraries and suspects from what is left of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bootcheck.probes import native

FAULT = """Fatal Python error: Segmentation fault

Current thread 0x00007f (most recent call first):
  File "/srv/app.py", line 3 in predict

Extension modules: numpy.core._multiarray_umath, numpy.linalg._umath, psycopg2._psycopg, cv2 (total: 4)
"""


def frame(file: str, line: int | None = 1, function: str = "f") -> dict[str, object]:
    """Return a frame."""
    return {"file": file, "line": line, "function": function}


def test_the_extension_modules_that_faulthandler_names():
    """The last dump counts; without the line nothing is known."""
    assert native.extension_modules("Extension modules: old (total: 1)\n" + FAULT) == [
        "numpy.core._multiarray_umath",
        "numpy.linalg._umath",
        "psycopg2._psycopg",
        "cv2",
    ]
    assert native.extension_modules("Fatal Python error: Aborted\n") is None
    assert native.extension_modules("") is None


def test_the_package_of_the_innermost_frame_is_suspected_first():
    """Then packages further out that have native code; pure Python ones further out are not."""
    modules = native.extension_modules(FAULT)
    frames = [
        frame("/v/lib/python3.11/site-packages/numpy/linalg/linalg.py", function="inv"),
        frame("/v/lib/python3.11/site-packages/flask/app.py"),
        frame("/v/lib/python3.11/site-packages/psycopg2/extras.py"),
    ]
    found = native.suspects(modules, frames)
    assert [entry["package"] for entry in found] == ["numpy", "psycopg2"]
    assert found[0]["modules"] == ["numpy.core._multiarray_umath", "numpy.linalg._umath"]
    assert "innermost frame is its code (inv)" in found[0]["why"]


@pytest.mark.parametrize(
    ("source", "line", "packages"),
    [
        ("import cv2\ndef f(x):\n    return cv2.resize(x)\n", 3, ["cv2"]),
        ("import numpy as np\nx = np.zeros(3)\n", 2, ["numpy"]),
        ("from psycopg2 import connect as link\nlink()\n", 2, ["psycopg2"]),
        ("def f():\n    import cv2\n    cv2.x()\n", 3, ["cv2"]),
        ("import ctypes\nctypes.string_at(0)\n", 2, ["ctypes"]),
        ("import cv2\nprint(1)\n", 2, []),
        ("import json\njson.loads('')\n", 2, []),
        ("not python(", 1, []),
        ("import cv2\n", 40, []),
    ],
)
def test_a_line_of_the_app_points_at_what_it_uses(tmp_path: Path, source, line, packages):
    """By the names on that line and the imports of that file."""
    (tmp_path / "app.py").write_text(source)
    found = native.suspects(native.extension_modules(FAULT), [frame(str(tmp_path / "app.py"), line)])
    assert [entry["package"] for entry in found] == packages


def test_a_fault_inside_ctypes_points_at_the_library_behind_it():
    """The module itself is rarely at fault."""
    found = native.suspects([], [frame("/usr/lib/python3.11/ctypes/__init__.py", function="string_at")])
    assert found[0]["package"] == "ctypes"
    assert "library that was loaded with it" in found[0]["why"]


def test_a_lone_native_package_is_suspected_and_many_are_not():
    """Nobody is accused for being there among others."""
    assert [entry["package"] for entry in native.suspects(["cv2", "cv2.x"], [])] == ["cv2"]
    assert native.suspects(["a", "b", "c"], [frame("/srv/gone.py", 3)]) == []
    assert native.suspects([], []) == []


def test_copies_of_a_library_are_found_beside_their_modules(tmp_path: Path, monkeypatch):
    """In the wheel's `.libs` folder, by the distribution's list of files; OpenMP runtimes exclude each other."""
    site = tmp_path / "site-packages"
    layout = {
        "psycopg2_binary.libs": ["libpq-e8a033dd.so.5.16", "libssl-26d0ddb5.so.1.1"],
        "opencv_python.libs": ["libssl-0a1b2c3d.so.3", "libgomp-a34b3233.so.1.0.0"],
        "torch/lib": ["libiomp5.so", "libtorch.so"],
        "unused.libs": ["libssl-99999999.so.3"],
    }
    for folder, names in layout.items():
        (site / folder).mkdir(parents=True)
        for name in names:
            (site / folder / name).touch()
    for distribution, line in (("psycopg2_binary-2.9", "psycopg2/_psycopg.so,,"), ("opencv_python-4", "cv2/cv2.so,,")):
        (site / f"{distribution}.dist-info").mkdir()
        (site / f"{distribution}.dist-info" / "RECORD").write_text(line + "\n")
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(native, "mapped", lambda: ["/usr/lib/libssl.so.3", "/usr/lib/libc.so.6", "/lib/ld.so"])
    frames = [frame(f"{site}/cv2/__init__.py")]

    found = native.libraries(["psycopg2._psycopg", "cv2.cv2", "torch._C"], frames)
    assert {(entry["name"], entry["seen"]) for entry in found} == {
        ("libpq", "shipped with psycopg2"),
        ("libssl", "shipped with psycopg2"),
        ("libssl", "shipped with cv2"),
        ("libgomp", "shipped with cv2"),
        ("libiomp5", "shipped with torch"),
        ("libtorch", "shipped with torch"),
        ("libssl", "mapped in the master"),
        ("libc", "mapped in the master"),
    }
    assert found[-1]["seen"] == "mapped in the master"
    doubles = {entry["name"]: len(entry["paths"]) for entry in native.duplicates(found)}
    assert doubles == {"an OpenMP runtime": 2, "libssl": 3}


def test_what_this_process_has_mapped():
    """Each shared object once; empty where it cannot be read."""
    found = native.mapped()
    assert len(found) == len(set(found)) > 0
    assert all(path.startswith("/") for path in found)
    assert native.mapped("/nowhere") == []
