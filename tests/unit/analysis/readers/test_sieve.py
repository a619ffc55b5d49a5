"""The sieve lets every line through that may matter."""

from __future__ import annotations

from bootcheck.analysis import gunicorn_lines
from bootcheck.analysis.readers.sieve import ALWAYS, Sieve
from tests.unit.analysis.making import LOGS, classes, told


def test_every_line_that_means_something_holds_a_word():
    """Of all real logs: what the table knows, the sieve finds."""
    words = [*gunicorn_lines.WORDS, *(word.decode() for word in ALWAYS)]
    for path in LOGS.glob("*/*.log"):
        for line in path.read_text().splitlines():
            if any(pattern.search(line) for _, pattern in gunicorn_lines._TABLE):
                assert any(word in line for word in words), line


def test_lines_are_found_once_and_in_order():
    """Also where one line holds several words; the line before a traceback comes with it."""
    block = b"nothing\nan error, a Worker\nplain\nwhose\nTraceback (most recent call last):\nlast Error\n"

    assert Sieve(["Worker"]).starts(block) == [
        block.rindex(start) for start in (b"an error", b"whose", b"Traceback", b"last")
    ]


def test_a_log_between_a_million_ordinary_lines():
    """Every failure is found as without them, and line numbers are right."""
    noise = "".join(
        f'10.0.0.9 - - [27/Nov/2026:09:01:00 +0000] "GET /{number} HTTP/1.1" 200 5\n' for number in range(5_000)
    )
    log = (LOGS / "native-crash" / "segv-in-request-23.0.0.log").read_text()
    first, second = log.splitlines()[:5], log.splitlines()[5:]
    text = noise + "\n".join(first) + "\n" + noise + "\n".join(second) + "\n" + noise
    (incident,) = told(text).incidents

    assert [(incident.cause_class, incident.count)] == classes(told(log))
    line = next(item.line for item in incident.evidence if "was sent" in item.text)
    assert "was sent" in text.splitlines()[(line or 0) - 1]
