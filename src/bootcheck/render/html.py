"""HTML: the incident report as one file, with charts. No script, no request to anywhere; fit for print.

Needs Jinja2, which escapes everything that is put into the page: pip install 'bootcheck[html]'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from bootcheck.analysis.story import tell
from bootcheck.model.errors import BootcheckError
from bootcheck.model.finding import Severity
from bootcheck.render import Checked, Style, charts
from bootcheck.render.markdown import clock, first_sign, since_good, times
from bootcheck.render.text import plain

if TYPE_CHECKING:
    from bootcheck.analysis.incidents import Analysis

try:
    import jinja2
except ImportError as exc:
    missing = "--format html needs Jinja2, which is not installed: pip install 'bootcheck[html]'"
    raise BootcheckError(missing) from exc

HISTORY = "whole"


def incidents(analysis: Analysis, style: Style) -> Iterator[str]:  # noqa: ARG001
    """Yield the page."""
    story = tell(analysis)
    yield _page(
        title="Incident report",
        story=story,
        chapters=[
            (chapter, [*chapter.pattern, *first_sign(chapter), *since_good(chapter)]) for chapter in story.chapters
        ],
        gantt=charts.lives(story.spans),
        memory=charts.memory(story.spans),
        uptimes=charts.uptimes(story.spans),
        steps=charts.steps(story.spans),
        checked=None,
    )


def findings(checked: Sequence[Checked], style: Style) -> Iterator[str]:  # noqa: ARG001
    """Yield a page of what checks found."""
    found = [finding for check in checked for finding in check.findings]
    found.sort(key=lambda finding: list(Severity).index(finding.severity))
    yield _page(title="Checks", story=None, checked=checked, found=found)


def _page(**values: Any) -> str:
    return _template().render(**values)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # A log may hold what no page may: control characters.
        finalize=lambda value: plain(value) if type(value) is str else value,
    )
    environment.filters |= {"clock": clock, "times": times}
    return environment.from_string(files("bootcheck.render").joinpath("html.jinja").read_text(encoding="utf-8"))
