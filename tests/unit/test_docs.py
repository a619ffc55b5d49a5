"""The documentation says what the code does: its names exist and its examples run."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from bootcheck import checks
from bootcheck.cli import COMMANDS
from bootcheck.model.codes import CODES
from bootcheck.settings import VARIABLES

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
READER = DOCS.parent / "README.md"
_BLOCK = re.compile(r'^ *```python(?: title="(?P<title>[^"]+)")?\n(?P<code>.*?)^ *```', re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str | None, str]]:
    """Return title and code of each Python block."""
    return [(match["title"], match["code"]) for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))]


def ids(page: Path) -> str:
    """Return a page's name for a test id."""
    return str(page.relative_to(DOCS.parent))


def resolve(name: str) -> Any:
    """Return what a dotted name stands for."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError as exc:
            if not f"{'.'.join(parts[:length])}.".startswith(f"{exc.name}."):
                raise
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize("page", [*PAGES, READER], ids=ids)
def test_every_name_of_the_code_exists(page: Path):
    """Dotted names in backticks that begin with bootcheck can be imported."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    names = re.findall(r"`(bootcheck(?:\.[A-Za-z_]\w*)+)(?:\(.*?\))?`", text)

    for name in names:
        if not name.endswith((".py", ".conf.py")):
            resolve(name)


@pytest.mark.parametrize("page", [*PAGES, READER], ids=ids)
def test_variables_codes_and_commands_exist(page: Path):
    """What a reader may type is known."""
    text = page.read_text(encoding="utf-8")

    assert set(re.findall(r"\bBOOTCHECK_[A-Z_]+\b", text)) - {"BOOTCHECK_REPORT"} <= set(VARIABLES)
    assert set(re.findall(r"\bBC\d{3}\b", text)) <= set(CODES)
    fenced = "".join(re.findall(r"^ *```(?:console|text)\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL))
    commands = re.findall(r"`bootcheck ([a-z]+)\b", text) + re.findall(
        r"(?:^|[|&$] )bootcheck ([a-z]+)\b", fenced, re.MULTILINE
    )
    assert set(commands) <= set(COMMANDS), set(commands) - set(COMMANDS)


@pytest.mark.parametrize("page", [*PAGES, READER], ids=ids)
def test_every_python_block_compiles(page: Path):
    """Nothing is abbreviated away into something that is no Python."""
    for title, code in blocks(page):
        compile(code, title or str(page), "exec")


@pytest.mark.parametrize("page", [*PAGES, READER], ids=ids)
def test_every_declared_check_is_accepted(page: Path):
    """The calls `checks.name(...)` in examples have the options that exist."""
    for _, code in blocks(page):
        for call in re.findall(r"^ *(checks\.\w+\(.*?\)),?$", code, flags=re.MULTILINE):
            if "..." not in call and "=None" not in call:
                assert hasattr(eval(call, {"checks": checks}), "run"), call


def test_the_check_of_your_own_works_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The page's check and its test are run."""
    for title, code in blocks(DOCS / "how-to" / "own-check.md"):
        if title:
            (tmp_path / title).write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("test_licence_check")
    try:
        module.test_a_missing_licence_is_found(tmp_path)
    finally:
        for name in ("test_licence_check", "licence_check"):
            sys.modules.pop(name, None)
