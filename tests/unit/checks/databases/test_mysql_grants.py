"""SHOW GRANTS of MySQL and MariaDB, as they print it."""

from __future__ import annotations

import pytest

from bootcheck.checks.databases.mysql_grants import read

WRITE = ("INSERT", "UPDATE", "DELETE")


@pytest.mark.parametrize(
    "line",
    [
        "GRANT ALL PRIVILEGES ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*0123' WITH GRANT OPTION",
        "GRANT ALL PRIVILEGES ON `shop`.* TO `app`@`%`",
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON `shop`.* TO `app`@`localhost`",
        "GRANT INSERT, UPDATE, DELETE, CREATE ON `sh%`.* TO `app`@`%`",
        "GRANT INSERT, UPDATE, DELETE, CREATE ON `s_op`.* TO `app`@`%`",
    ],
)
def test_granted(line):
    """On everything, on the database, or on a pattern that fits it."""
    grants = read(["GRANT USAGE ON *.* TO `app`@`%`", line])

    assert all(grants.on_database(privilege, "shop") for privilege in (*WRITE, "CREATE"))


@pytest.mark.parametrize(
    "line",
    [
        "GRANT USAGE ON *.* TO `app`@`%`",
        "GRANT SELECT ON `shop`.* TO `app`@`%`",
        "GRANT ALL PRIVILEGES ON `other`.* TO `app`@`%`",
        r"GRANT ALL PRIVILEGES ON `s\_op`.* TO `app`@`%`",
        "GRANT ALL PRIVILEGES ON `shop`.`orders` TO `app`@`%`",
        "GRANT `writers`@`%` TO `app`@`%`",
        "GRANT INSERT (`name`) ON `shop`.`orders` TO `app`@`%`",
    ],
)
def test_not_granted(line):
    """Something else, somewhere else, or on single tables only."""
    assert not read([line]).on_database("INSERT", "shop")


def test_single_tables_are_remembered():
    """Then nothing certain can be said of all tables."""
    assert read(["GRANT INSERT ON `shop`.`orders` TO `app`@`%`"]).on_some_table("shop")
    assert not read(["GRANT INSERT ON `shop`.* TO `app`@`%`"]).on_some_table("shop")


def test_a_partial_revoke_counts():
    """MySQL 8 can take one database out of a grant on all."""
    grants = read(
        ["GRANT INSERT, CREATE ON *.* TO `app`@`%`", "REVOKE INSERT ON `shop`.* FROM `app`@`%`"],
    )

    assert not grants.on_database("INSERT", "shop")
    assert grants.on_database("INSERT", "other")
    assert grants.on_database("CREATE", "shop")
    assert grants.everywhere("CREATE")


def test_a_backtick_in_a_name():
    """Names are quoted with doubled backticks."""
    assert read(["GRANT INSERT ON `a``b`.* TO `app`@`%`"]).on_database("INSERT", "a`b")
