"""SHOW GRANTS read: which privilege on which database. Its syntax is SQL, whatever language the server speaks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_NAME = r"\*|`(?:[^`]|``)*`"
_LINE = re.compile(
    rf"^(?P<verb>GRANT|REVOKE) (?P<what>.+?) ON (?:TABLE )?(?P<database>{_NAME})\.(?P<table>{_NAME}) (?:TO|FROM) "
)
_COLUMNS = re.compile(r"\([^)]*\)")


@dataclass(slots=True)
class Grants:
    """What an account may do."""

    given: list[tuple[str, str, frozenset[str]]] = field(default_factory=list)
    """Database pattern, table, privileges."""
    taken: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    """MySQL's partial revokes: database, privileges."""

    def everywhere(self, privilege: str) -> bool:
        """Tell whether a privilege is given on `*.*`."""
        return any(
            pattern == "*" and table == "*" and _covers(privileges, privilege)
            for pattern, table, privileges in self.given
        )

    def on_database(self, privilege: str, database: str) -> bool:
        """Tell whether a privilege is given on all tables of a database."""
        if any(name == database and _covers(privileges, privilege) for name, privileges in self.taken):
            return False
        return any(
            table == "*" and _matches(pattern, database) and _covers(privileges, privilege)
            for pattern, table, privileges in self.given
        )

    def on_some_table(self, database: str) -> bool:
        """Tell whether anything is given on single tables of a database."""
        return any(table != "*" and _matches(pattern, database) for pattern, table, _ in self.given)


def read(lines: Iterable[str]) -> Grants:
    """Return the grants of SHOW GRANTS; lines of another form (roles, proxies) are left out."""
    grants = Grants()
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        privileges = frozenset(part.strip().upper() for part in _COLUMNS.sub("", match["what"]).split(","))
        if match["verb"] == "REVOKE":
            grants.taken.append((_name(match["database"]), privileges))
        else:
            grants.given.append((_name(match["database"]), _name(match["table"]), privileges))
    return grants


def _covers(privileges: frozenset[str], privilege: str) -> bool:
    return privilege in privileges or bool(privileges & {"ALL PRIVILEGES", "ALL"})


def _name(quoted: str) -> str:
    return quoted if quoted == "*" else quoted[1:-1].replace("``", "`")


def _matches(pattern: str, database: str) -> bool:
    """Tell whether a database is meant: `_` and `%` stand for others unless a backslash precedes them."""
    if pattern in ("*", database):
        return True
    expression = ""
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if char == "\\" and position + 1 < len(pattern):
            position += 1
            expression += re.escape(pattern[position])
        else:
            expression += {"_": ".", "%": ".*"}.get(char, re.escape(char))
        position += 1
    return re.fullmatch(expression, database) is not None
