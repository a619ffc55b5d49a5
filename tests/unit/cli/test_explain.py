"""`bootcheck explain`: pages without a network."""

from __future__ import annotations

import json

import pytest

from bootcheck.cli import main
from bootcheck.model.codes import CODES
from bootcheck.render.pages import HEADINGS


@pytest.mark.parametrize("text", ["BC508", "bc508", "killed-for-memory", "oom-kill"])
def test_a_page_by_code_slug_or_class(text: str, capsys: pytest.CaptureFixture[str]):
    """All five headings."""
    assert main(["explain", text]) == 0
    out = capsys.readouterr().out
    assert all(f"\n{heading}\n" in out for heading in HEADINGS)


@pytest.mark.parametrize("code", CODES)
def test_every_code_can_be_explained(code: str, capsys: pytest.CaptureFixture[str]):
    """Code 0 and a page that begins with code and slug."""
    assert main(["explain", code]) == 0
    assert capsys.readouterr().out.startswith(f"{code} {CODES[code].slug}\n")


def test_the_list(capsys: pytest.CaptureFixture[str]):
    """Every code, in 80 columns."""
    assert main(["explain"]) == 0
    out = capsys.readouterr().out
    assert all(code in out and rule.slug in out for code, rule in CODES.items())
    assert max(map(len, out.splitlines())) <= 80


def test_json(capsys: pytest.CaptureFixture[str]):
    """The list and the pages as data."""
    assert main(["explain", "--format", "json"]) == 0
    assert [item["code"] for item in json.loads(capsys.readouterr().out)] == list(CODES)
    assert main(["explain", "--format", "json", "BC501", "BC502"]) == 0
    assert [item["slug"] for item in json.loads(capsys.readouterr().out)] == ["boot-exception", "app-not-found"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("BC2O1", "BC201"),
        ("BC999", None),
        ("pool-shared-after-frok", "pool-shared-after-fork"),
        ("oom-kil", "oom-kill"),
    ],
)
def test_an_unknown_code(typed: str, meant: str | None, capsys: pytest.CaptureFixture[str]):
    """Code 2 and the nearest one."""
    assert main(["explain", typed]) == 2
    err = capsys.readouterr().err
    assert "there is no code" in err
    assert meant is None or f"Did you mean {meant}?" in err
