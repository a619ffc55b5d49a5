"""What a living process uses."""

from __future__ import annotations

import os

from bootcheck.probes.usage import usage_of


def test_this_process():
    """Memory in bytes, threads and descriptors."""
    found = usage_of(os.getpid())
    assert found["process.memory.usage"] > 1 << 20
    assert found["process.thread.count"] >= 1
    assert found["process.unix.file_descriptor.count"] >= 3


def test_a_process_that_is_gone_says_nothing():
    """And neither does a pid that nobody has."""
    assert usage_of(2**22 + 1) == {}
