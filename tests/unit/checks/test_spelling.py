"""Near misses are found, and mere relatives are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.checks.spelling import distance, near_names, nearest


@pytest.mark.parametrize(
    "name",
    [
        "SECRETKEY",
        "SECRET_KYE",
        "SECERT_KEY",
        "SECRET_KEYS",
        "secret_key",
        "SECRET-KEY",
        "SECRET__KEY",
        "SECRE_KEY",
        "FLASK_SECRET_KEY",
        "SECRET_KEY_BASE",
    ],
)
def test_a_near_miss_is_found(name):
    """Swapped, lost, doubled letters, other separators and other frameworks' names."""
    assert near_names("SECRET_KEY", ["PATH", name, "HOME"]) == (name,)


@pytest.mark.parametrize(
    ("wanted", "present"),
    [
        ("REDIS_HOST", "REDIS_PORT"),
        ("DB_HOST", "DB_PORT"),
        ("AWS_ID", "AWS_IP"),
        ("SECRET_KEY", "API_KEY"),
        ("SECRET_KEY", "SECRET"),
        ("KEY", "SECRET_KEY"),
        ("PORT", "HOST"),
    ],
)
def test_a_relative_is_no_near_miss(wanted, present):
    """Names that share words are two variables."""
    assert near_names(wanted, [present]) == ()


def test_the_likeliest_comes_first_and_itself_never():
    """Only separators beat letters, and three are enough."""
    present = ["FLASK_SECRET_KEY", "SECRET_KYE", "SECRETKEY", "SECERT_KEY", "SECRET_KEY"]

    assert near_names("SECRET_KEY", present)[0] == "SECRETKEY"
    assert "SECRET_KEY" not in near_names("SECRET_KEY", present)
    assert len(near_names("SECRET_KEY", present)) == 3


def test_nearest_word():
    """A word that was cut or misspelt is found among the known ones, anything else is not."""
    known = ["postgresql", "mysql", "mariadb", "oracle"]

    assert nearest("postgre", known) == "postgresql"
    assert nearest("postgressql", known) == "postgresql"
    assert nearest("mysq", known) == "mysql"
    assert nearest("redis", known) is None
    assert nearest("x", known) is None


@given(st.text(max_size=12), st.text(max_size=12))
def test_distance_is_symmetric_and_zero_only_for_the_same(left, right):
    """The distance behaves as one."""
    assert distance(left, right) == distance(right, left)
    assert (distance(left, right) == 0) == (left == right)


def test_a_swap_of_neighbours_is_one_step():
    """KYE is one slip away from KEY."""
    assert distance("KEY", "KYE") == 1
