"""HTML: one file, no script, no request, everything escaped, secrets masked."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bootcheck.analysis import History, analyze
from bootcheck.analysis.incidents import Analysis
from bootcheck.cli import main
from bootcheck.model.finding import Evidence, Finding
from bootcheck.render import Checked, Style
from tests.unit.analysis.making import days_work, report, stored

html = pytest.importorskip("bootcheck.render.html", reason="Jinja2 is not installed: pip install 'bootcheck[html]'")

VOID = {"meta", "link", "br", "hr", "img", "input"}


class _Page(HTMLParser):
    """What a browser would make of it: tags that close, attributes, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(path: Path) -> _Page:
    """Return the parsed report of a directory."""
    return _Page("\n".join(html.incidents(analyze([str(path)], history=History()), Style())))


def test_a_page_asks_for_nothing(tmp_path: Path):
    """No script, no address in any attribute or style: the browser is told to allow none either."""
    days_work(tmp_path)
    told = page(tmp_path)
    names = {name for name, _ in told.tags}

    assert told.open == []
    assert not names & {"script", "link", "img", "iframe", "object", "base", "form"}
    values = [value for _, attributes in told.tags for name, value in attributes.items() if name != "content"]
    assert not [value for value in values if value and re.search(r"https?:|//|javascript:|url\(", value)]
    assert not [name for _, attributes in told.tags for name in attributes if name.startswith("on")]
    assert (
        "meta",
        {"http-equiv": "Content-Security-Policy", "content": "default-src 'none'; style-src 'unsafe-inline'"},
    ) in told.tags


def test_a_line_with_a_tag_is_text_and_a_secret_is_hidden(tmp_path: Path):
    """What a log holds can do nothing."""
    nasty = '"><script>alert(1)</script><svg onload=x> password=hunter2hunter2 \x1b[31m\x00'
    stored(tmp_path, report(summary=nasty, type="ValueError", message=nasty, host="<b>h</b>"))
    told = page(tmp_path)

    assert "script" not in {name for name, _ in told.tags}
    assert "<script>alert(1)</script>" in told.text
    assert "hunter2" not in told.text
    assert "\x1b" not in told.text


def test_charts_of_a_day(tmp_path: Path):
    """A row per process with its death, the histogram, the steps against earlier boots, the memory."""
    days_work(tmp_path)
    told = page(tmp_path)
    kinds = [attributes.get("class") for name, attributes in told.tags if name == "rect"]

    for heading in ("Boots and deaths", "How long they lived", "Steps against earlier boots", "Memory over the boot"):
        assert heading in told.text
    assert kinds.count("boot") >= 8 + 4
    assert kinds.count("before") >= 1
    assert len([name for name, _ in told.tags if name == "polyline"]) == 12
    assert "51.0 s, before 1.5 s" in told.text
    for attributes in (attributes for name, attributes in told.tags if name == "rect" and "x" in attributes):
        assert 0 <= float(str(attributes["x"])[:-1]) <= 100
        assert float(str(attributes["x"])[:-1]) + float(str(attributes["width"])[:-1]) <= 100.01


def test_health_and_checks_have_pages_too():
    """Nothing wrong; and what `check` found."""
    assert "No incident" in _Page("\n".join(html.incidents(Analysis(), Style()))).text
    finding = Finding(code="BC101", summary="<i>K</i> is not set", evidence=(Evidence(text="x", source="env", line=3),))
    checks = [Checked(name="env", subject="K", findings=(finding,)), Checked(name="pool", skipped="off")]
    told = _Page("\n".join(html.findings(checks, Style())))

    assert "<i>K</i> is not set" in told.text
    assert "not asked: off" in told.text


@pytest.fixture
def without_jinja() -> Iterator[None]:
    """Make Jinja2 impossible to import."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "jinja2"}
    kept |= {"bootcheck.render.html": sys.modules.pop("bootcheck.render.html")}
    sys.modules["jinja2"] = None
    yield
    sys.modules.update(kept)


def test_without_jinja_the_pip_line_is_named(tmp_path: Path, without_jinja: None, capsys: pytest.CaptureFixture[str]):
    """And nothing was written."""
    assert main(["analyze", "--format", "html", "-o", str(tmp_path / "r.html"), str(tmp_path)]) == 2
    assert "pip install 'bootcheck[html]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
