"""What native code meets on a machine."""

from __future__ import annotations

import os

from bootcheck.probes import machine


def test_the_facts_of_this_machine():
    """Unknown ones are None, never left out."""
    facts = machine.facts()
    assert facts["host.arch"] == os.uname().machine
    assert facts["os.type"] == "linux"
    assert facts.keys() >= {"bootcheck.libc", "bootcheck.cpu.flags", "bootcheck.core_pattern"}


def test_cpu_flags_of_both_families():
    """Only those that matter; None where there are none to read."""
    assert machine.cpu_flags("processor : 0\nflags\t\t: fpu avx2 sse4_2 vmx\n") == ["avx2", "sse4_2"]
    assert machine.cpu_flags("processor : 0\nFeatures\t: fp asimd crc32\n") == ["asimd"]
    assert machine.cpu_flags("processor : 0\n") is None


def test_variables_of_threads_allocators_and_loader():
    """By name and by prefix, nothing else."""
    environ = {
        "OMP_NUM_THREADS": "1",
        "MKL_DYNAMIC": "0",
        "MALLOC_ARENA_MAX": "2",
        "LD_PRELOAD": "x.so",
        "PYTHONMALLOC": "debug",
        "HOME": "/root",
        "MY_OMP_X": "1",
    }
    assert machine.variables(environ).keys() == environ.keys() - {"HOME", "MY_OMP_X"}


def test_libc_without_a_version(monkeypatch):
    """Where the system does not know the name, or says nothing."""

    def refuse(name):
        raise ValueError(name)

    monkeypatch.setattr(os, "confstr", refuse)
    monkeypatch.setattr(machine, "_text", lambda path, limit: "/lib/ld-musl-x86_64.so.1")
    assert machine.libc() == "musl"
    monkeypatch.setattr(machine, "_text", lambda path, limit: "")
    assert machine.libc() is None
    monkeypatch.setattr(os, "confstr", lambda name: "glibc 2.36")
    assert machine.libc() == "glibc 2.36"
