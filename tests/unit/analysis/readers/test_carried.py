"""What a console, a notebook or a build server writes before each line is learned from the lines."""

from __future__ import annotations

import pytest

from bootcheck.analysis.readers.carried import prefix_of
from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, NO_FLASK, TERM, raising, start

CARRIERS = [
    "# {line}",
    "  12  {line}",
    "#9 12.34 {line}",
    "[web-7d9c5b6f4-x2x9z] {line}",
    "==> default: {line}",
    "09:15:37.123 {line}",
    "2026-11-27 09:15:37.000 CEST{line}",
    "2026-11-27 09:15:37.123 ERROR - {line}",
    "2026-11-27T09:15:37.123456789Z [abc12] {line}",
    "ERROR 2026-11-27T09:15:37Z [resource.labels.containerName: web] {line}",
    "Nov 27 09:15:37 AM {line}",
    "1705625281000\t{line}",
    "# 2026-11-27T09:15:37.123456+00:00 app[web.1]: {line}",
]


def carried(log: str, carrier: str) -> str:
    """Return a log whose every line stands behind a prefix."""
    return "".join(f"{carrier.format(line=line)}\n" for line in log.splitlines())


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_log_behind_it_tells_the_same(carrier: str):
    """Every line keeps its own indent."""
    assert classes(told(carried(raising(NO_FLASK), carrier))) == [("dependency-missing", 1)]
    assert told(carried(start() + GET + TERM, carrier)).incidents == ()


@pytest.mark.parametrize("carrier", ["12: {line}", "09:15:37 {line}"])
def test_a_number_or_a_time_proves_itself(carrier: str):
    """A single line is enough."""
    line = "ImportError: libGL.so.1: cannot open shared object file"

    assert classes(told(carried(line, carrier))) == [("native-library", 1)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        raising(NO_FLASK),
        carried(raising(NO_FLASK), "web-1  | {line}"),
        "the app says: ModuleNotFoundError: No module named 'flask'\n",
        "2026-11-27 09:15:37,123 ERROR ModuleNotFoundError: No module named 'flask'\n",
        start() + "Headers: [2026-11-27 09:15:37 +0000] [11] [INFO] Worker exiting (pid: 11)\n" + TERM,
        carried(raising(NO_FLASK), '{{"log": "{line}"}}'),
    ],
)
def test_what_is_no_prefix(text: str):
    """One that a reader knows, an app's own words, a line of many."""
    assert prefix_of(text.encode()) is None


@pytest.mark.parametrize("indent", ["    ", "\t", "        "])
def test_an_indent_that_all_lines_have_is_the_pages(indent: str):
    """Words that must begin their line are understood behind it."""
    log = "web: ERROR (no such file)\nsudo: unable to execute /srv/start.sh: No such file or directory\n"

    assert classes(told("".join(f"{indent}{line}\n" for line in log.splitlines()))) == [("launcher-error", 1)]
