"""`bootcheck demo`: a server that fails on purpose, and what is said of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bootcheck.cli.demo import WAYS
from tests.integration.harness import PATIENCE, SOURCE, partly

COMMAND = "import sys; from bootcheck.cli import main; sys.exit(main(sys.argv[1:]))"
CODES = {"variable": "BC101", "exception": "BC501", "exit": "BC503", "segfault": "BC509", "hang": "BC511"}


def demo(tmp_path: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command in an environment of its own."""
    base = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    base |= {"PYTHONPATH": str(SOURCE), "TMPDIR": str(tmp_path), "HOME": str(tmp_path / "home")}
    return subprocess.run(
        [sys.executable, "-c", COMMAND, "demo", *words],
        cwd=tmp_path,
        env=base | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE * 3,
        check=False,
    )


@pytest.mark.parametrize("way", partly(list(WAYS), "exit", "hang"))
def test_each_way_is_shown_with_its_code(tmp_path: Path, way: str):
    """The app, the server's own output, and what analyze says; nothing stays."""
    done = demo(tmp_path, way)

    assert done.returncode == 0, done.stdout + done.stderr
    app, _, rest = done.stdout.partition("$ gunicorn -c bootcheck.conf.py\n")
    server, _, answer = rest.partition("$ bootcheck analyze reports\n")
    assert app.startswith("# app.py\n")
    assert "BOOTCHECK_REPORT {" in server
    assert CODES[way] in server
    assert f"{CODES[way]} " in answer
    assert not list(tmp_path.glob("bootcheck-demo-*"))


def test_nothing_that_is_set_here_reaches_the_server(tmp_path: Path):
    """The missing variable, another report directory, Gunicorn's options: all set, and all of no effect."""
    elsewhere = tmp_path / "elsewhere"
    done = demo(
        tmp_path,
        SHOP_DATABASE_URL="postgresql://127.0.0.1/shop",
        DATABASE_URL="postgres://127.0.0.1:1/shop",
        BOOTCHECK_DIR=str(elsewhere),
        BOOTCHECK_DISABLE="1",
        GUNICORN_CMD_ARGS="--workers 0x",
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "SHOP_DATABASE_URL is not set." in done.stdout
    assert not elsewhere.exists()


def test_what_was_kept_can_be_looked_at(tmp_path: Path):
    """`--keep` says where the files and reports are."""
    done = demo(tmp_path, "variable", "--keep")

    (folder,) = tmp_path.glob("bootcheck-demo-*")
    assert f"Kept in {folder}" in done.stdout
    assert {path.name for path in folder.iterdir()} >= {"app.py", "bootcheck.conf.py", "reports"}
    assert list((folder / "reports").glob("crash-*.json"))


def test_a_server_that_is_not_told_of_is_code_1(tmp_path: Path):
    """Where bootcheck does not act inside the server, the demonstration says so by its code."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import bootcheck.gunicorn.arm as arming\narming.arm = lambda *a, **k: None\n"
    )
    done = demo(tmp_path, "exception", PYTHONPATH=f"{broken}{os.pathsep}{SOURCE}")

    assert done.returncode == 1


def test_an_unknown_way_is_refused_with_the_known_ones(tmp_path: Path):
    """By argparse, before anything starts."""
    done = demo(tmp_path, "fire")

    assert done.returncode == 2
    assert all(way in done.stderr for way in WAYS)
