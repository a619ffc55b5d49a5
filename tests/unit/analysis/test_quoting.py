"""No line is quoted with a secret, a colour or a control character in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.analysis import analyze
from bootcheck.analysis.quoting import quoted, template
from bootcheck.render import RENDERERS, Style, renderer
from tests.unit.analysis.making import report, stored, told
from tests.unit.analysis.signatures.examples import raising

SECRET = "hunter22secret"
LEAKS = [
    f"sqlalchemy.exc.OperationalError: could not connect to postgresql://app:{SECRET}@db/app",
    f"RuntimeError: login failed, password={SECRET}",
    f"RuntimeError: options {{'password': '{SECRET}'}}",
    f"RuntimeError: Authorization: Bearer {SECRET}{SECRET}",
    f"sqlalchemy.exc.IntegrityError: (x) failed\n[SQL: insert into users values (?)]\n[parameters: ('{SECRET}',",
    f"requests.exceptions.ConnectionError: GET https://api/x?token={SECRET}",
]


@pytest.mark.parametrize("error", LEAKS)
def test_no_output_holds_the_secret(error: str):
    """Neither in any format nor among the unexplained."""
    for text in (
        raising(error, code=f"connect('postgresql://app:{SECRET}@db/app')"),
        f"[2026-11-27 09:00:00 +0000] [1] [ERROR] {error}\n",
    ):
        found = told(text)
        for name in RENDERERS:
            assert SECRET not in "\n".join(renderer(name).incidents(found, Style()))


def test_a_report_of_a_careless_writer(tmp_path: Path):
    """What a report brings along is masked once more."""
    stored(
        tmp_path,
        report(
            type="RuntimeError", message=f"password={SECRET}", summary=f"It raised RuntimeError: password={SECRET}."
        ),
    )
    found = analyze([str(tmp_path)])

    assert SECRET not in json.dumps(found.as_dict())
    assert "***" in found.incidents[0].summary


@given(st.text(max_size=500))
def test_any_text_can_be_quoted(text: str):
    """Nothing raises, the length is bounded, no control character is left but newline and tab."""
    told_again = quoted(text, 100)

    assert len(told_again) <= 100
    assert not [char for char in told_again if ord(char) < 32 and char not in "\n\t"]
    template(text)


def test_what_differs_is_a_placeholder():
    """Numbers, addresses and ids."""
    one = template("pid 31 at 0x7f00 for 5f3a2c11-0000-4000-8000-1234567890ab took 0.5 s")
    other = template("pid 9 at 0xdead for 11111111-2222-4333-8444-555555555555 took 12.75 s")

    assert one == other
