"""Report directories of every kind: a healthy app boots and serves, and a death is told at least on stderr."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.harness import HELLO, wait_until

DYING = "import turn\nif turn.first():\n    raise SystemExit(1)\n" + HELLO


def lives(server, *, stored=True):
    """Assert that a worker's death is announced and that the server serves and stops as ever."""
    server.wait_for_line("^BOOTCHECK_REPORT ")
    server.wait_for_line("bootcheck: worker \\d+ ready")
    assert server.get() == (200, b"hello")
    assert server.stop() == 0
    (told,) = server.announced()
    assert (told["verdict"]["cause"], told["step"], told["role"]) == ("sys_exit", "app.load", "worker")
    assert told["verdict"]["action"]
    assert bool(server.reports("crash")) == stored


def mounted(folder, options):
    """Mount a tmpfs; skips where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, check=False
    ).returncode:
        pytest.skip("mounting is not allowed here")


@pytest.fixture
def unmount():
    """Folders that are unmounted at the end, after the servers."""
    folders = []
    yield folders
    for folder in folders:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def test_a_missing_directory_is_made_with_its_parents(serve, tmp_path):
    """BOOTCHECK_DIR may name what is not there yet."""
    server = serve(app=DYING, reports=tmp_path / "a" / "b" / "c")
    lives(server)

    assert (tmp_path / "a" / "b" / "c").stat().st_mode & 0o777 == 0o700


def test_a_full_disk_costs_nothing_but_the_files(unmount, serve, tmp_path):
    """A file system without a free byte: everything goes to memory and stderr."""
    folder = tmp_path / "full"
    mounted(folder, "size=16k")
    unmount.append(folder)
    try:
        (folder / "filler").write_bytes(bytes(1 << 20))
    except OSError:
        pass
    # The default place must not come to the rescue unseen.
    server = serve(app=DYING, reports=folder, stored=False)
    lives(server, stored=False)

    assert str(folder) in server.stderr


def test_a_disk_that_fills_up_while_it_runs(unmount, serve, tmp_path):
    """A worker that dies after the disk is full is still announced."""
    folder = tmp_path / "filling"
    mounted(folder, "size=256k")
    unmount.append(folder)
    server = serve(reports=folder, stored=False)
    server.wait_for_line("bootcheck: worker \\d+ ready")
    try:
        with open(folder / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
    except OSError:
        pass
    (pid,) = server.workers()
    os.kill(pid, signal.SIGKILL)
    server.wait_for_line("bootcheck: worker \\d+ ready", count=2)
    assert server.get()[0] == 200
    assert server.stop() == 0

    (told,) = server.announced()
    assert (told["verdict"]["cause"], told["attributes"]["process.pid"]) == ("sigkill_external", pid)


def test_a_read_only_directory_is_passed_over(unmount, serve, tmp_path):
    """Where nothing can be written another place is taken, which is said."""
    folder = tmp_path / "read-only"
    mounted(folder, "ro")
    unmount.append(folder)
    server = serve(app=DYING, reports=folder, stored=False)
    lives(server, stored=False)

    assert f"cannot use {folder}" in server.stderr


def test_a_world_writable_directory_gets_a_folder_of_our_own(serve, tmp_path):
    """An emptyDir volume is 0777 and root's: reports go to a private folder inside."""
    folder = tmp_path / "volume"
    folder.mkdir()
    folder.chmod(0o777)
    server = serve(app=DYING, reports=folder)
    lives(server)

    assert [path.name for path in folder.iterdir()] == [f"bootcheck-{os.geteuid()}"]
    assert (folder / f"bootcheck-{os.geteuid()}").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ["symlink", "fifo", "file", "dangling"])
def test_a_hostile_directory_is_refused(serve, tmp_path, kind):
    """No link is followed, nothing blocks, nothing is written through it."""
    victim = tmp_path / "victim"
    victim.mkdir()
    place = tmp_path / "place"
    if kind == "symlink":
        place.symlink_to(victim)
    elif kind == "dangling":
        place.symlink_to(tmp_path / "nowhere")
    elif kind == "fifo":
        os.mkfifo(place)
    else:
        place.write_text("mine")
    server = serve(app=DYING, reports=place, stored=False)
    server.wait_for_line("^BOOTCHECK_REPORT ")
    assert server.get()[0] == 200
    assert server.stop() == 0

    assert not list(victim.iterdir())
    assert not (tmp_path / "nowhere").exists()
    assert f"cannot use {place}" in server.stderr


def test_a_private_folder_of_a_stranger_is_refused(serve, tmp_path):
    """Inside a place where others can write, `bootcheck-<uid>` must be ours."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    folder = tmp_path / "volume"
    folder.mkdir()
    folder.chmod(0o777)
    trap = folder / f"bootcheck-{os.geteuid()}"
    trap.mkdir()
    os.chown(trap, 12345, 12345)
    server = serve(app=DYING, reports=folder, stored=False)
    server.wait_for_line("^BOOTCHECK_REPORT ")
    server.wait_for_line("bootcheck: worker \\d+ ready")
    assert server.stop() == 0

    assert not list(trap.iterdir())


@pytest.mark.parametrize("plant", ["symlink", "fifo", "directory"])
def test_traps_inside_the_directory_do_no_harm(serve, tmp_path, plant):
    """Journals and reports that are links, pipes or folders are neither followed nor waited for."""
    folder = tmp_path / "reports"
    folder.mkdir(mode=0o700)
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    for name in (
        "master-1-1.jsonl",
        "worker-4000000-77.jsonl",
        "worker-4000000-77.fault",
        "crash-20200101T000000000Z-0000000000000000-worker-7.json",
    ):
        if plant == "symlink":
            (folder / name).symlink_to(victim)
        elif plant == "fifo":
            os.mkfifo(folder / name)
        else:
            (folder / name).mkdir()
    server = serve(app=HELLO, reports=folder, stored=False)
    server.wait_for_line("bootcheck: worker \\d+ ready")
    assert server.get()[0] == 200
    assert server.stop() == 0

    assert victim.read_text() == "untouched"
    for path in folder.iterdir():
        if path.name.startswith(("crash", "master-1-1", "worker-4")):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.mark.wide
def test_a_hundred_thousand_old_reports_do_not_delay_a_start(serve, tmp_path):
    """Pruning goes by names, for 50 ms at most, and goes on at the next start."""
    folder = tmp_path / "reports"
    folder.mkdir(mode=0o700)
    seed = folder
    for number in range(100_000):
        name = f"crash-20240101T{number:09d}Z-{number % 50:016x}-worker-{number}.json"
        if number % 20_000:
            # A link is made faster than a file, and a file system allows so many of one.
            os.link(seed, folder / name)
        else:
            seed = folder / name
            seed.write_text("{}")
    before = len(os.listdir(folder))
    server = serve(app=DYING, reports=folder, stored=False)
    server.wait_for_line("bootcheck: worker \\d+ ready")
    server.wait_for_line("^BOOTCHECK_REPORT ")
    assert server.get()[0] == 200
    assert server.stop() == 0
    for _ in range(20):
        # On a crowded machine the 50 ms may be over before the first is found.
        if len(os.listdir(folder)) < before:
            break
        server.start()
        server.wait_for_line("bootcheck: worker \\d+ ready", count=server.starts)
        assert server.stop() == 0

    assert len(os.listdir(folder)) < before
    shutil.rmtree(folder)


def test_a_directory_that_disappears_is_found_again(serve):
    """Deleted while the server runs, then HUP: new reports have a place, and the server serves."""
    server = serve(stored=False)
    server.wait_ready()
    shutil.rmtree(server.directory)
    server.signal(signal.SIGHUP)
    server.wait_for_line("bootcheck: worker \\d+ ready", count=2)
    wait_until(lambda: len(server.workers()) == 1, "the old worker's end")
    (pid,) = server.workers()
    os.kill(pid, signal.SIGKILL)
    (report,) = server.wait_for_reports("crash")
    assert server.get()[0] == 200
    assert server.stop() == 0

    assert report["attributes"]["process.pid"] == pid
    assert [told["attributes"]["process.pid"] for told in server.announced()] == [pid]


def test_a_directory_that_disappears_is_no_matter_without_a_reload(serve):
    """Deleted while the server runs: a death is announced, the server goes on and stops cleanly."""
    server = serve(stored=False)
    server.wait_ready()
    # Its report comes before its word.
    server.wait_for_line("bootcheck: worker \\d+ ready")
    shutil.rmtree(server.directory)
    (pid,) = server.workers()
    os.kill(pid, signal.SIGKILL)
    server.wait_for_line("^BOOTCHECK_REPORT ")
    server.wait_for_line("bootcheck: worker \\d+ ready", count=2)
    assert server.get()[0] == 200

    assert server.stop() == 0
    assert [told["verdict"]["cause"] for told in server.announced()] == ["sigkill_external"]


_SLOW = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

static int slow(int fd) {
    char link[64], path[4096];
    const char *folder = getenv("SLOW_FOLDER");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (!folder || size < 0) return 0;
    path[size] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}
static void wait_for_disk(void) {
    struct timespec two = {2, 0};
    int log = open(getenv("SLOW_LOG"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    char line[32];
    int size = snprintf(line, sizeof line, "%d\n", (int)getpid());
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    real(log, line, size);
    close(log);
    nanosleep(&two, 0);
}
ssize_t write(int fd, const void *data, size_t size) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    if (slow(fd)) wait_for_disk();
    return real(fd, data, size);
}
int renameat(int from, const char *old, int to, const char *new) {
    int (*real)(int, const char *, int, const char *) = dlsym(RTLD_NEXT, "renameat");
    if (slow(from)) wait_for_disk();
    return real(from, old, to, new);
}
"""


def test_a_slow_disk_costs_one_slow_write_at_most(serve, tmp_path):
    """Every write takes two seconds: each process waits for one, says so, and goes on in memory."""
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler to slow the disk down with")
    source, library = tmp_path / "slow.c", tmp_path / "slow.so"
    source.write_text(_SLOW)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    folder = tmp_path / "reports"
    log = tmp_path / "slow.log"
    server = serve(
        app=DYING,
        config="import bootcheck\nbootcheck.arm(globals())\n",
        reports=folder,
        stored=False,
        environ={"LD_PRELOAD": str(library), "SLOW_FOLDER": str(folder), "SLOW_LOG": str(log)},
    )
    server.wait_for_line("^BOOTCHECK_REPORT ")
    server.wait_for_line("bootcheck: worker \\d+ ready")
    assert server.get()[0] == 200
    assert server.stop() == 0

    waited = log.read_text().split()
    assert waited
    assert max(waited.count(pid) for pid in set(waited)) == 1
    (told,) = server.announced()
    assert (told["verdict"]["cause"], told["step"]) == ("sys_exit", "app.load")


def test_the_line_alone_is_complete(serve, tmp_path):
    """With no directory at all the report line on stderr holds cause, step, action and identity."""
    server = serve(app="raise ValueError('x' * 5000)\n", reports=Path("/proc/nowhere"), stored=False)
    assert server.wait() == 3

    (told,) = server.announced()
    assert (told["verdict"]["cause"], told["step"], told["verdict"]["code"]) == ("exception", "app.load", "BC501")
    assert told["attributes"]["exception.type"] == "ValueError"
    assert told["report_id"]
