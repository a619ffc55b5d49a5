"""What kernels, C libraries, supervisors and platforms say of a process that ends all of a sudden."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, TERM, start, worker

FLY = "2026-11-27T09:00:09Z app[18e] ams [info] "
BY_CLASS = {
    "oom-kill": (
        "Nov 27 09:00:09 web-1 kernel: [99.1] gunicorn invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0",
        "Nov 27 09:00:09 web-1 kernel: oom_reaper: reaped process 11 (gunicorn), now anon-rss:0kB, file-rss:0kB",
        "Nov 27 09:00:09 web-1 systemd-oomd[7]: Killed /system.slice/shop.service due to memory used (9) / total (10)",
        'Nov 27 09:00:09 web-1 earlyoom[7]: sending SIGTERM to process 11 uid 33 "gunicorn": badness 901',
        "Out-of-memory event detected in container",
        "Memory limit exceeded (8Gi)",
        "Killed",
        "[1]+  Killed                  gunicorn shop.wsgi",
        "The user-provided container ran out of memory.",
        "PM2      | Process 3 restarted because it exceeds --max-memory-restart value (current_memory=5)",
        "The shop was terminated because it used too much memory",
        "ERROR component shop exited with code: 137",
    ),
    "native-crash": (
        "PM2      | App [shop:0] exited with code [0] via signal [SIGSEGV]",
        "Nov 27 09:00:09 web-1 systemd[1]: shop.service: Failed with result 'core-dump'.",
        "*** SIGSEGV received at time=1795771557 on cpu 1 ***",
        "F1127 09:00:09.100000    11 tensor.cc:10] Check failed: rows == columns",
        "# A fatal error has been detected by the Java Runtime Environment:",
        "malloc_consolidate(): invalid chunk size",
        "realloc(): invalid next size",
        "free(): double free detected in tcache 2",
        "*** buffer overflow detected ***: terminated",
        "/srv/start.sh: line 4:    11 Aborted                 (core dumped) gunicorn shop.wsgi",
        "fatal error: unexpected signal during runtime execution",
        "Nov 27 09:00:09 web-1 kernel: traps: gunicorn[11] trap divide error ip:7f sp:7f error:0 in libblas.so.3",
        "Nov 27 09:00:09 web-1 kernel: traps: gunicorn[11] general protection ip:7f sp:7f error:0 in libssl.so.3",
        "OMP: Error #179: Function Can't open SHM2 failed:",
    ),
    "illegal-instruction": (
        "PM2      | App [shop:0] exited with code [0] via signal [SIGILL]",
        "SIGILL: illegal instruction",
        "web-1 exited with code 132",
    ),
    "native-library": (
        "qemu-x86_64: Could not open '/lib64/ld-linux-x86-64.so.2': No such file or directory",
        "rosetta error: failed to open elf at /lib64/ld-linux-x86-64.so.2",
        "Intel MKL FATAL ERROR: Cannot load libmkl_def.so.",
        "dyld[11]: Library not loaded: @rpath/libpython3.12.dylib",
    ),
}
ALL = [pytest.param(name, text, id=f"{name}-{at}") for name, texts in BY_CLASS.items() for at, text in enumerate(texts)]


@pytest.mark.parametrize(("expected", "text"), ALL)
def test_its_line_alone_tells_its_class(expected: str, text: str):
    """Gunicorn itself is gone before it could say anything."""
    assert classes(told(start() + text + "\n")) == [(expected, 1)]
    assert classes(told(start() + GET + text + "\n")) == [(expected, 1)]


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("oom-kill", "INFO Process appears to have been OOM killed!"),
        ("oom-kill", "INFO Process exited with exit code: -1, oom_killed: true"),
        ("native-crash", "INFO Main child exited with signal (with signal 'SIGSEGV', core dumped? false)"),
        ("illegal-instruction", "INFO Main child exited with signal (with signal 'SIGILL', core dumped? false)"),
    ],
)
def test_an_init_that_writes_levels_is_no_apps_logger(expected: str, text: str):
    """It speaks in the stream of the app whose process it watches."""
    log = "".join(f"{FLY}{line}\n" for line in (*start().splitlines(), text))

    assert classes(told(log)) == [(expected, 1)]


@pytest.mark.parametrize(
    "text",
    [
        "ERROR: ld.so: object '/usr/lib/libjemalloc.so.2' from LD_PRELOAD cannot be preloaded (cannot open shared "
        "object file): ignored.",
        "I tensorflow/core/platform/cpu_feature_guard.cc:1] Your CPU supports instructions that this binary was not "
        "compiled to use: AVX2",
        "INFO jobs: Killed 3 stale sessions",
        "INFO shop: memory limit exceeded by 0 carts",
    ],
)
def test_what_harms_nobody_is_no_end(text: str):
    """Libraries and apps mention the same things where all is well."""
    assert classes(told(start() + text + "\n" + GET + TERM)) == []


def test_a_shells_word_after_an_ordered_stop_tells_of_the_stop():
    """Who is killed because the stop took too long was not killed for memory."""
    assert [name for name, _ in classes(told(start() + GET + TERM + "Killed\n"))] != ["oom-kill"]


@pytest.mark.parametrize("said", ["Worker (pid:11) was sent {}!", "Worker with pid 11 was terminated due to signal {}"])
@pytest.mark.parametrize(("name", "number"), [("SIGXCPU", 24), ("SIGXFSZ", 25)])
def test_a_limit_of_which_the_kernel_tells_by_signal(said: str, name: str, number: int):
    """Nobody outside stopped it."""
    line = f"[WARNING] {said.format(name if 'sent' in said else number)}"

    assert classes(told(worker(line, serving=True))) == [("resource-limit", 1)]
