"""The sieve lets every line through that may matter, whichever way it looks for it."""

from __future__ import annotations

import os
import random
import re
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from bootcheck.analysis import History, analyze, gunicorn_lines
from bootcheck.analysis.classify import Diagnoser
from bootcheck.analysis.collector import Collector
from bootcheck.analysis.readers import crew, lines, shared, sieve
from bootcheck.analysis.readers.prefixes import epoch
from bootcheck.analysis.readers.sieve import ALWAYS, Sieve
from tests.integration.harness import FULL
from tests.unit.analysis.making import LOGS, classes, told

EVERY = 1 if FULL else 15
"""One real log in so many is read by several processes."""
_PLAIN = re.compile(r"-\d+\.\d+\.\d+$")
_TIMES = re.compile(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d")
WORDS = (*gunicorn_lines.WORDS, *Diagnoser(print).words)


def in_python(_: object) -> None:
    """Return no matcher: Python does the looking."""


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
    taken = Sieve(["Worker"]).sift(block)

    assert taken.found == [
        (block.rindex(start), number)
        for start, number in ((b"an error", 1), (b"whose", 3), (b"Traceback", 4), (b"last", 5))
    ]
    assert taken.lines == 6
    assert taken.load() == block


def test_a_line_of_an_access_log_never_matters():
    """A client may write what it likes into its URL and its name: it was answered, and that is all."""
    hostile = (
        '10.0.0.9 - - [27/Nov/2026:09:01:00 +0000] "GET /Worker%20exiting HTTP/1.1" 404 5 "-" "WORKER TIMEOUT (pid:9)"'
    )

    assert Sieve(WORDS).sift(hostile.encode() + b"\n").found == []
    assert gunicorn_lines.event_of(hostile)[0] == gunicorn_lines.SERVING
    assert classes(told(f"{hostile}\n" * 3)) == []


def ordinary(chance: random.Random, number: int, now: str = "2026-11-27 09:01:00") -> Iterator[str]:
    """Yield lines that a busy server writes, with numbers and words that look like more than they are."""
    for _ in range(number):
        yield chance.choice(
            (
                f'10.0.0.{chance.randrange(99)} - - [27/Nov/2026:09:01:00 +0000] "GET /health HTTP/1.1" 200 137 "-" "kube-probe/1.31"',
                f'10.0.0.9 - - [27/Nov/2026:09:01:00 +0000] "POST /order/{chance.randrange(10**9)} HTTP/1.0" 404 9 "-" "-"',
                f"{now},000 INFO shop: order {chance.randrange(10**9)} of 137 items, memory {chance.randrange(999)} MB",
                f"{now} [info     ] fork lifted  signal=green listening on={chance.randrange(9)}",
                "",
                "x" * chance.randrange(3_000),
            )
        )


def mixed(chance: random.Random, every: int = 1) -> Iterator[tuple[str, bytes]]:
    """Yield real logs among ordinary lines: such as no platform put a head before, which begins every line alike."""
    plain = [path for path in sorted(LOGS.glob("*/*.log")) if _PLAIN.search(path.stem)]
    for path in plain[::every]:
        log = path.read_text()
        now = next(iter(_TIMES.findall(log)), "2026-11-27 09:01:00")
        kept = list(ordinary(chance, 60, now))
        for line, following in pairwise([*log.splitlines(), ""]):
            now = next(iter(_TIMES.findall(line)), now)
            # A head and its traceback stay together: torn apart, only the fast way would know whose it is.
            alone = not line[:1].isspace() and not following.startswith("Traceback")
            kept += [line, *(ordinary(chance, chance.choice((0, 0, 0, 1, 30)), now) if alone else ())]
        yield f"{path.parent.name}/{path.stem}", ("\n".join(kept) + "\n").encode()


def engines() -> dict[str, Sieve]:
    """Return a sieve for each way of looking."""
    found = {"find": Sieve(WORDS, engine=in_python), "projection": Sieve(WORDS, engine=in_python)}
    masked = found["projection"]._templates._masked
    masked.learn("\n".join(ordinary(random.Random(1), 2_000)).encode())
    assert masked.plan.needles, "the text is short of letters"
    fast, strict = Sieve(WORDS), Sieve(WORDS)
    strict.learn(b"\n".join((*strict.words, b"status 137")), Collector(print).patterns)
    assert b"137" in strict._strict.words or not strict.is_fast
    return {**found, "matcher": fast, "strict": strict} if fast.is_fast else found


def test_every_way_of_looking_finds_the_same():
    """In all real logs, alone and among other lines; and in each line that a word is put into."""
    ways = engines()
    intake = Collector(print)
    chance = random.Random(6)
    texts = [path.read_bytes() for path in sorted(LOGS.glob("*/*.log"))] + [data for _, data in mixed(chance)]
    texts += [f"{a}\nsome {word} here\n{b}\nlast\n".encode() for word in WORDS for a, b in [tuple(ordinary(chance, 2))]]
    for text in texts:
        taken = {name: way.sift(text) for name, way in ways.items() if name != "strict"}
        meant = {name: way.sift(text, intake.matters) for name, way in ways.items()}

        assert len({tuple(one.found) for one in taken.values()}) == 1, text
        assert len({tuple(one.found) for one in meant.values()}) == 1, text
        assert {one.lines for one in taken.values()} == {text.count(b"\n")}


@pytest.fixture
def small_parts(monkeypatch) -> None:
    """Small files are large ones, and cut into parts of a few lines."""
    monkeypatch.setattr(shared, "LARGE", 0)
    monkeypatch.setattr(shared, "PART", 1_500)
    monkeypatch.setattr(shared, "CHUNK", 700)
    monkeypatch.setattr(lines, "LEARN_AFTER", 2_000)


@pytest.fixture
def everything(monkeypatch) -> Callable[[], None]:
    """Return what makes every line matter: the slow way."""

    def all_lines(self, block, matters=None):
        starts = [0, *(at + 1 for at, byte in enumerate(block[:-1]) if byte == 10)]
        return sieve.Sifted(len(starts), [(start, number) for number, start in enumerate(starts)], lambda: block)

    return lambda: monkeypatch.setattr(Sieve, "sift", all_lines)


def test_several_processes_tell_what_one_tells(tmp_path: Path, small_parts):
    """Every real log among ordinary lines, in parts that end anywhere; line numbers included."""
    path = tmp_path / "app.log"
    for name, data in mixed(random.Random(7), EVERY):
        path.write_bytes(data)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shared, "LARGE", sys.maxsize)
            in_one_go = analyze([str(path)], jobs=1).as_dict()

        for jobs in (1, 2):
            assert analyze([str(path)], jobs=jobs).as_dict() == in_one_go, name


def test_the_fast_way_tells_what_the_slow_way_tells(tmp_path: Path, small_parts, everything):
    """The same incidents as when every single line is looked at."""
    path = tmp_path / "app.log"
    fast: dict[str, object] = {}
    for name, data in mixed(random.Random(8), EVERY):
        path.write_bytes(data)
        fast[name] = analyze([str(path)], jobs=2).as_dict()
    everything()
    for name, data in mixed(random.Random(8), EVERY):
        path.write_bytes(data)

        assert fast[name] == analyze([str(path)], jobs=1).as_dict(), name


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_line_without_a_time_has_that_of_the_line_before(tmp_path: Path, small_parts, everything, jobs: int):
    """Also where that line was passed over, with others after it that have none, in an earlier part."""
    start = (LOGS / "native-crash" / "segv-in-request-23.0.0.log").read_text().splitlines()[:4]
    passed = [f"2026-11-27 09:{minute:02d}:00,000 INFO shop: all is well" for minute in range(10, 40)]
    plain = ["no time here"] * 80
    bare = ["psycopg2.OperationalError: FATAL:  sorry, too many clients already", *plain, "Segmentation fault", "end"]
    path = tmp_path / "app.log"
    path.write_text("\n".join([*start, *passed, *plain, "Traceback (most recent call last):", *bare]) + "\n")
    fast = analyze([str(path)], jobs=jobs, history=History())
    everything()
    slow = analyze([str(path)], jobs=1, history=History())

    assert fast.as_dict() == slow.as_dict()
    assert fast.history.moments == slow.history.moments
    assert [moment.at for moment in fast.history.moments][-1] == epoch("2026-11-27 09:39:00")


def test_a_line_without_an_end(tmp_path: Path, small_parts, monkeypatch):
    """A line over the limit is read by one process, and cut; what follows is found."""
    monkeypatch.setattr(shared, "MAX_LINE", 5_000)
    log = (LOGS / "native-crash" / "segv-in-request-23.0.0.log").read_text()
    path = tmp_path / "app.log"
    path.write_text("x\n" * 900 + "y" * 20_000 + "\n" + log)
    found = analyze([str(path)], jobs=2)

    assert classes(found) == classes(told(log))
    assert found.inputs.lines == 901 + log.count("\n")


def test_a_process_that_ends_too_early_is_replaced():
    """What it had not done is done here; the results stay in order."""
    here = os.getpid()

    def work(task: int) -> int:
        if task == 7 and os.getpid() != here:
            raise MemoryError
        return task * task

    assert list(crew.spread(range(20), work, 3)) == [task * task for task in range(20)]


def test_a_crew_ends_with_its_reading():
    """Broken off in the middle, no process is left."""
    running = crew.spread(range(1_000), lambda task: "x" * 100_000, 2)
    assert next(running)
    running.close()

    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


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
