"""`bootcheck demo`: a server that fails on purpose, and what is said of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bootcheck.cli.demo import WAYS
from tests.integration.commands import bootcheck
from tests.integration.harness import SOURCE, partly

CODES = {"variable": "BC101", "exception": "BC501", "exit": "BC503", "segfault": "BC509", "hang": "BC511"}


@pytest.mark.parametrize("way", partly(list(WAYS), "exit", "hang"))
def test_each_way_is_shown_with_its_code(tmp_path: Path, way: str):
    """The app, the server's own output, and what analyze says; nothing stays."""
    done = bootcheck(tmp_path, "demo", way)

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
    done = bootcheck(
        tmp_path,
        "demo",
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
    done = bootcheck(tmp_path, "demo", "variable", "--keep")

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
    done = bootcheck(tmp_path, "demo", "exception", PYTHONPATH=f"{broken}{os.pathsep}{SOURCE}")

    assert done.returncode == 1


def test_an_unknown_way_is_refused_with_the_known_ones(tmp_path: Path):
    """By argparse, before anything starts."""
    done = bootcheck(tmp_path, "demo", "fire")

    assert done.returncode == 2
    assert all(way in done.stderr for way in WAYS)
