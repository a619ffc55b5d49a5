"""A table or column is missing: migrations were not run.

What it means
    The app reached its database and asks for something that is not there.

How it looks
    `relation "users" does not exist`, `no such table: users`, `Table 'app.users' doesn't exist`,
    `(1146, …)`.

Why it happens
    Migrations run after the deploy or not at all; a new database; the URL of another one; a query at
    import time, before `migrate` could run.

What to do
    Run the migrations before the server starts (a job, an init container), and do not query the
    database while a module is imported.

How to know it is fixed
    `alembic current` or `manage.py showmigrations` shows the head, and the app boots.
"""

from __future__ import annotations

import re

from bootcheck.analysis import foreign, late
from bootcheck.analysis.conclusion import conclude, first, one_line
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.finding import Finding

CAUSE_CLASS = "db-schema-missing"
RULES: tuple[str, ...] = ()
WHILE_SERVING = True

_SAID = late.regex(
    r"relation \"([^\"]+)\" does not(?: exist|$)|no such table: (\S+)|no such column: (\S+)|"
    r"Table '([^']+)' doesn't exist|Undefined(?:Table|Column)|InvalidSchemaName|NoSuchTableError: (\w+)|"
    r"schema \"([\w.]+)\" does not exist|\(1146,|\(1054,|"
    r"column \"?([\w.]+)\"? does not exist|ORA-0094[24]|ORA-00904|Invalid column name '([^']+)'|"
    r"has no column named (\w+)|Unknown column '([^']+)'|no schema has been selected to create in|"
    r"type \"([\w.]+)\" does not exist|unconfigured table|UNKNOWN_TABLE|Table \S+ doesn't exist\b|"
    r"\btable [\"`']?([\w.]+)[\"`']? does not exist|Target database is not up to date|alembic upgrade head|"
    r"function (\w+)\([^)]*\) does not exist|[Uu]nappl(?:ied|y) migrations?|"
    r"Invalid object name '([^']+)'|\b(?:1146|1054) \(|\[42S(?:02|22)\]|\(42S02\)|'C': '42(?:P01|703|883|704)'|"
    r"ORA-(?:02289|04043)|Missing columns: '(\w+)'|UNKNOWN_(?:IDENTIFIER|TABLE)|Table with name (\w+) does not exist|"
    r"Referenced column \"(\w+)\" not found|TABLE_(?:OR_VIEW_)?NOT_FOUND|COLUMN_NOT_FOUND|"
    r"Not found: (?:Table|Dataset) (\S+)|Can't locate revision identified by|"
    r"database is not (?:up.to.date|initiali[sz]ed)|"
    r"(?:run|try) [`'\"]?(?:airflow db|superset db|flask db|python \S*manage\.py migrate|aerich) ?\w*|"
    r"requested table\(s\) not available|(?:calling the \w+ operation: )?Requested resource not found: Table|"
    r"InconsistentMigrationHistory|FieldNotFoundError",
    re.IGNORECASE,
)


def match(trouble: Trouble) -> Finding | None:
    """Conclude from the server's own words."""
    error = trouble.error
    if error is None or not (_SAID.search(error.text) or foreign.says("schema", error)):
        return None
    name = first(_SAID, error.text)
    return conclude(
        trouble,
        f"The database lacks {name or 'a table'}: {one_line(error.text)}",
        "Run the migrations before the server starts: flask db upgrade, alembic upgrade head, manage.py migrate.",
        "Check that DATABASE_URL names the database that was migrated.",
        code=None if trouble.died else "BC302",
        confirm="alembic current; manage.py showmigrations",
    )
