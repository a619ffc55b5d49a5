"""Pages are read from the modules that implement the codes, without importing them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bootcheck.model.cause import CAUSE_CLASSES
from bootcheck.model.codes import CODES
from bootcheck.render.pages import HEADINGS, page_of, page_of_class, pages, without_page


def test_every_code_has_one_page():
    """No code is unexplained, none is explained twice."""
    assert list(without_page()) == []
    codes = [code for page in pages() for code in page.codes]
    assert len(codes) == len(set(codes))
    assert set(codes) <= set(CODES)


@pytest.mark.parametrize("name", [name for name in CAUSE_CLASSES if name != "none"])
def test_every_cause_class_has_a_page(name: str):
    """What `analyze` answers with can be looked up."""
    page = page_of_class(name.upper())

    assert page is not None
    assert all(heading in page.text for heading in HEADINGS)


def test_a_page_begins_with_its_title():
    """One sentence."""
    page = page_of(CODES["BC508"])

    assert page is not None
    assert page.title == "The kernel or the container killed the process for memory (BC508)."


def test_no_module_is_executed_for_its_page():
    """A page can be read where the library that its module is about is missing."""
    code = (
        "import sys; from bootcheck.render.pages import pages; assert len(pages()) > 30; "
        "loaded = [name for name in sys.modules if name.startswith(('bootcheck.checks', 'bootcheck.gunicorn', 'bootcheck.guards'))]; "
        "assert not loaded, loaded"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )

    assert done.returncode == 0, done.stderr
