"""Good secrets pass, famous and lazy ones do not."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.checks.strength import DEFAULT_MIN_ENTROPY, entropy_bits, measure, placeholder_kind

DJANGO = "abcdefghijklmnopqrstuvwxyz0123456789!@#$%^&*(-_=+)"


@pytest.mark.parametrize(
    "value",
    [
        "changeme",
        "change-me",
        "CHANGE_ME",
        "secret",
        "SecretKey123",
        "supersecretkey",
        "your-secret-key",
        "your_secret_key_here",
        "dev",
        "test1234",
        "password",
        "p@ssw0rd",
        "xxxxxxxxxxxx",
        "00000000000000000000000000000000",
        "replace-with-a-long-random-string",
        "this-is-a-very-secret-key-for-development-only",
        "you-will-never-guess",
        "hard to guess string",
        "django-insecure-8h3k2l5j6h7g8f9d0s1a2q3w4e5r6t7y8u9i0o",
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "<your secret here>",
        "${SECRET_KEY}",
        "$(SECRET_KEY)",
        "{{ secret_key }}",
        "%(SECRET)s",
        "$SECRET_KEY",
        "  changeme\n",
        "'changeme'",
    ],
)
def test_a_placeholder_is_recognised(value):
    """Values of tutorials, templates and password lists are placeholders, and are not quoted."""
    kind = placeholder_kind(value)

    assert kind is not None
    assert value.strip() not in kind


@pytest.mark.parametrize("value", ["my precious pony farm", "K7", "", "not-so-obvious-phrase", "3.14159265358979"])
def test_other_values_are_no_placeholders(value):
    """A short or odd value is not called a placeholder."""
    assert placeholder_kind(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "a" * 64,
        "abcabcabcabcabcabcabcabcabcabcabcabc",
        "12345678901234567890123456789012",
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "qwertyuiopasdfghjklzxcvbnm",
        "0123456789abcdef0123456789abcdef",
        "deadbeefdeadbeefdeadbeefdeadbeef",
        "00000000-0000-0000-0000-000000000000",
    ],
)
def test_patterns_hold_no_entropy(value):
    """Repetition, sequences and keyboard rows count for nothing, however long they are."""
    assert entropy_bits(value) < DEFAULT_MIN_ENTROPY


@pytest.mark.parametrize(
    ("alphabet", "length"),
    [
        (string.hexdigits[:16], 32),
        (string.hexdigits[:16], 64),
        (string.ascii_letters + string.digits + "-_", 22),
        (string.ascii_letters + string.digits + "-_", 43),
        (string.ascii_letters + string.digits, 20),
        (DJANGO, 50),
    ],
)
def test_random_secrets_are_never_refused(alphabet, length):
    """What the usual generators make passes, thousand times of a thousand."""
    source = random.Random(f"{alphabet}{length}")
    made = ["".join(source.choice(alphabet) for _ in range(length)) for _ in range(1000)]

    assert [value for value in made if entropy_bits(value) < DEFAULT_MIN_ENTROPY or placeholder_kind(value)] == []


def test_sixteen_hexadecimal_digits_nearly_always_pass():
    """The shortest key that the default length admits is refused in fewer than 1 of 200 cases."""
    source = random.Random(16)
    made = ["".join(source.choice("0123456789abcdef") for _ in range(16)) for _ in range(2000)]

    assert sum(entropy_bits(value) < DEFAULT_MIN_ENTROPY for value in made) < 10


@given(st.text(max_size=200))
def test_any_value_is_measured(value):
    """Every text has a length, a finite number of bits and perhaps a kind."""
    strength = measure(value)

    assert strength.length == len(value)
    assert 0 <= strength.entropy_bits <= 21 * max(1, len(value))


def test_a_huge_value_is_measured_in_time():
    """A certificate that was pasted into the variable does not stop the start."""
    assert measure("secret" * 50_000).length == 300_000
