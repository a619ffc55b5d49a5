"""Threads that Python did not start: real ones, with and without a name of their own."""

from __future__ import annotations

import ctypes
import os
import threading

import pytest

from bootcheck.probes import background, native_threads
from tests.unit.children import interpreter

NATIVE = """
import ctypes, os, threading
from bootcheck.probes import background, native_threads
libc = ctypes.CDLL(None)
event = threading.Event()
thread = threading.Thread(target=event.wait, daemon=True)
thread.start()
for name in (b"driver-io", None):
    number = ctypes.c_ulong()
    libc.pthread_create(ctypes.byref(number), None, ctypes.cast(libc.pause, ctypes.c_void_p), None)
    if name:
        libc.pthread_setname_np(number, name)
tasks = native_threads.tasks()
print(native_threads.unknown(tasks, background.native_ids()), native_threads.unknown(tasks, background.native_ids(), 1))
"""


def test_native_threads_are_told_from_pythons_and_by_name():
    """One has a name; one has none, and may be one of Python's that is not in any list."""
    done = interpreter(NATIVE)

    assert done.stdout == "['driver-io', ''] ['driver-io']\n", done.stderr


def test_without_native_threads_there_is_none():
    """Python's own threads do not count."""
    event = threading.Event()
    thread = threading.Thread(target=event.wait, daemon=True)
    thread.start()
    try:
        ours = {thread.native_id, os.getpid()}
        assert native_threads.unknown(native_threads.tasks() & ours, background.native_ids()) == []
    finally:
        event.set()


@pytest.mark.parametrize(
    ("environ", "each"),
    [({}, len(os.sched_getaffinity(0)) - 1), ({"OPENBLAS_NUM_THREADS": "4"}, 3), ({"OMP_NUM_THREADS": "1"}, 0)],
)
def test_how_many_threads_openblas_has(environ, each):
    """One less than it may use, for each copy."""
    paths = ["/x/libscipy_openblas64_-1.so", "/y/libopenblas.so.0", "/z/libm.so.6"]

    assert native_threads.openblas_threads(paths, environ) == 2 * each
    assert native_threads.openblas_threads(["/z/libm.so.6"], environ) == 0


def test_libgomp_is_found_among_the_libraries():
    """By its file's name, also where a wheel has renamed it."""
    assert native_threads.libgomp(["/a/libm.so.6", "/b/libgomp-24e2ab19.so.1.0.0"]) == "/b/libgomp-24e2ab19.so.1.0.0"
    assert native_threads.libgomp(["/a/libm.so.6"]) is None
    assert any("libc" in path for path in native_threads.libraries()), ctypes
