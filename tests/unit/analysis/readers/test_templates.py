"""What a template tells of a line is never less than what the line tells."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.analysis import analyze, gunicorn_lines, signatures
from bootcheck.analysis.classify import Diagnoser
from bootcheck.analysis.readers import lines, shared, templates
from bootcheck.analysis.readers.sieve import ALWAYS, Sieve, _is_answered
from bootcheck.analysis.readers.templates import MASK, Templates
from tests.unit.analysis.readers.test_sieve import EVERY, in_python, mixed

WORDS = (*gunicorn_lines.WORDS, *Diagnoser(print).words)
_PIECES = (
    *(word for word in WORDS if not word.isdigit()),
    *(word.translate(str.maketrans("", "", MASK.decode())) for word in WORDS),
    *(word[:-1] for word in WORDS),
    *(word.decode() for word in ALWAYS),
    *("status", "EXIT", "exit", "137", "139", "=", " ", "Traceback (most recent call last):", "\r", "“", "é", "{"),
    *(
        ' HTTP/1.1" 200 5',
        ' HTTP/1.0" 404 9',
        ' HTTP/1.1" 999',
        ' HTTP/1.1" ',
        "x" * 45,
        "10.0.0.9 - - [27/Nov/2026] " * 3,
    ),
)
texts = st.lists(st.lists(st.sampled_from(_PIECES), max_size=5).map("".join), min_size=1, max_size=30)
SIEVE = Sieve(WORDS, engine=in_python)
"""One for all examples: it remembers what it has seen."""


def looked_for(block: bytes) -> list[tuple[int, int]]:
    """Return the lines that hold a word, each looked at alone, and the ones before a traceback."""
    found: list[tuple[int, int]] = []
    place = before = 0
    for number, line in enumerate(block.split(b"\n")[:-1]):
        if not _is_answered(line) and SIEVE._held(line):
            if number and line.startswith(b"Traceback") and (not found or found[-1][1] < number - 1):
                found.append((before, number - 1))
            found.append((place, number))
        before, place = place, place + len(line) + 1
    return found


@given(texts)
def test_the_same_lines_are_found_as_one_by_one(told: list[str]):
    """Of words, what is left of them, and what stands in access logs, in any order."""
    block = "".join(f"{line}\n" for line in told).encode()
    taken = SIEVE.sift(block)

    assert taken.found == looked_for(block)
    assert taken.lines == len(told)


@pytest.mark.parametrize("known", [40, 10_000])
def test_what_is_remembered_is_bounded(monkeypatch, known: int):
    """Where no line is like another, templates are forgotten, and what is found stays the same."""
    monkeypatch.setattr(templates, "MAX_KNOWN", known)
    monkeypatch.setattr(templates, "MAX_BYTES", known * 100)
    monkeypatch.setattr(templates, "LEARN_AFTER", 1_000)
    chance = random.Random(3)
    small = Templates(Sieve(WORDS, engine=in_python).words)
    for _ in range(60):
        pieces = [chance.choice(_PIECES) + chr(chance.randrange(103, 123)) for _ in range(40)]
        text = "\n".join(["always the same", *pieces]).replace("\r", "").encode()
        expected = [line for line in text.split(b"\n") if SIEVE._held(line)]

        assert [line for line, _ in small.hits(text)] == expected
        assert len(small._known) <= max(known, text.count(b"\n") + 1)
    assert small._whole is not None, "none is like another"
    assert small._whole.plan.needles


def test_every_status_of_a_process_is_found():
    """A number alone is no word: what a signature wants before it, the sieve wants as well."""
    numbers = {
        word for name in signatures.SIGNATURES for word in signatures.words(signatures.load(name)) if word.isdigit()
    }
    patterns = [found for name in signatures.SIGNATURES if (found := signatures.telltale(signatures.load(name)))]
    heads = [
        "".join(parts)
        for parts in product(
            ("Exit", "exit", "EXIT", ""), ("", "ed"), ("", " with"), ("", " ", "_"), ("code", "Code", "status", "")
        )
    ]
    told = [
        f"x {head}{quote}{gap}{number}"
        for head, quote, gap, number in product(heads, ("", '"'), (":", "=", " (", ": "), sorted(numbers))
    ]
    meant = [line for line in told if any(pattern.search(line) for pattern in patterns)]

    assert len(meant) > 1_000
    assert {"132", "134", "135", "136", "137", "139"} <= numbers
    assert [line.decode() for line, _ in SIEVE._templates.hits("\n".join(meant).encode())] == meant
    assert SIEVE._templates.hits(b"137 comes before its status\norder 137 of user 134: 139 items") == []


def noise(chance: random.Random, count: int) -> Iterator[str]:
    """Yield what apps write: with ids that never come twice, as JSON, with signs that are not ASCII."""
    for _ in range(count):
        token = f"{chance.getrandbits(128):032x}"
        name = "".join(chance.choices("ghijklmnopqrstuvwxyzGHJKLMNOPQRSTUVWXYZ", k=24))
        at = f"2026-11-27 09:01:{chance.randrange(60):02}"
        yield chance.choice(
            (
                f"{at},137 INFO shop: fork of {token} for {name}, status {chance.randrange(200, 600)}",
                f'{{"time": "{at}", "level": "info", "message": "paid by {name}", "status": {chance.randrange(130, 140)}}}',
                f'10.0.0.9 - - [27/Nov/2026:09:01:00 +0000] "GET /u/{name}?t={token} HTTP/1.1" 200 137 "-" "Worker"',
                f'10.0.0.9 - - [27/Nov/2026:09:01:00 +0000] "GET /u/{token} HTTP/1.0" 404 9 "-" "{name}"',
                f"[{at} +0000] [{chance.randrange(99)}] [INFO] café {name} “{token}”",
                f"{at} [debug    ] memory probed  request_id={token} healthy=True garden={name}",
                "",
                name * chance.randrange(60),
            )
        )


@pytest.mark.parametrize("jobs", [1, 2])
def test_analyze_says_the_same_without_templates(tmp_path: Path, monkeypatch, jobs: int):
    """Real logs among ordinary lines and noise, to the byte."""
    for name, size in (("LARGE", 0), ("PART", 1_500), ("CHUNK", 700)):
        monkeypatch.setattr(shared, name, size)
    monkeypatch.setattr(lines, "sieve_of", lambda words: Sieve(words, engine=in_python))
    path = tmp_path / "app.log"

    def told() -> list[str]:
        chance = random.Random(9)
        found = []
        for _, data in mixed(random.Random(8), EVERY):
            around = ["".join(f"{line}\n" for line in noise(chance, 200)).encode() for _ in range(2)]
            path.write_bytes(around[0] + data + around[1])
            found.append(json.dumps(analyze([str(path)], jobs=jobs).as_dict()))
        return found

    with_templates = told()

    def alone(self: Templates, text: bytes) -> list[tuple[bytes, list[bytes]]]:
        return [(line, held) for line in text.split(b"\n") if (held := SIEVE._held(line))]

    monkeypatch.setattr(Templates, "hits", alone)
    monkeypatch.setattr(Sieve, "_rest", lambda self, block: block[:-1])
    assert told() == with_templates
