"""What MySQL and MariaDB are asked once they let us in."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import replace
from typing import Any

from bootcheck.checks.databases.failure import OTHER, PRIVILEGE, Failure
from bootcheck.checks.databases.interview import Connections, Granted
from bootcheck.checks.databases.mysql_grants import Grants, read
from bootcheck.checks.databases.session import Session

_OFF = frozenset({"0", "OFF", "None", ""})
_WRITES_ANYWAY = ("SUPER", "READ_ONLY ADMIN", "READ ONLY ADMIN", "CONNECTION_ADMIN")


class Questions:
    """Status variables and grants answer."""

    def version(self, session: Session) -> str:
        """Return the server's product and version."""
        version = str(session.value("SELECT VERSION()"))
        return f"MariaDB {version.partition('-')[0]}" if "mariadb" in version.lower() else f"MySQL {version}"

    def tls(self, session: Session) -> dict[str, Any]:
        """Return what was negotiated."""
        if session.server.startswith(("/", "@")):
            return {}
        rows = session.query("SHOW SESSION STATUS WHERE Variable_name IN ('Ssl_version', 'Ssl_cipher')")
        found = {str(name).lower(): str(value or "") for name, value in rows}
        in_use = bool(found.get("ssl_cipher"))
        return {"in_use": in_use, "protocol": found.get("ssl_version"), "cipher": found.get("ssl_cipher")}

    def read_only(self, session: Session) -> str | None:
        """Tell a replica that refuses writes; some accounts may write all the same."""
        if str(session.value("SELECT @@global.innodb_read_only")) not in _OFF:
            return "innodb_read_only is on"
        mode = str(session.value("SELECT @@global.read_only"))
        if mode not in _OFF and not (mode in ("1", "ON") and self._may_write(session)):
            return "read_only is on: it is a replica or under maintenance"
        rows = session.query("SHOW SESSION VARIABLES WHERE Variable_name IN ('transaction_read_only', 'tx_read_only')")
        if any(str(value) not in _OFF for _, value in rows):
            return "transaction_read_only is on for this session"
        return None

    def privilege(self, session: Session, name: str) -> Granted:
        """Read SHOW GRANTS."""
        database = session.value("SELECT DATABASE()")
        if database is None:
            return Granted(granted=None, where="no database: the URL names none")
        grants = self._grants(session)
        where = f"database {database}"
        if name in ("connect", "usage"):
            return Granted(granted=True, where=where)
        wanted = {"create": ("CREATE",), "temporary": ("CREATE TEMPORARY TABLES",)}.get(
            name, ("INSERT", "UPDATE", "DELETE")
        )
        if all(grants.on_database(privilege, str(database)) for privilege in wanted):
            return Granted(granted=True, where=where)
        per_table = name == "write" and grants.on_some_table(str(database))
        return Granted(granted=None if per_table else False, where=where)

    def connections(self, session: Session) -> Connections | None:
        """Return the tighter of the server's and the account's limit."""
        total, account = session.query("SELECT @@global.max_connections, @@session.max_user_connections")[0]
        rows = session.query("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
        everybody = int(str(rows[0][1])) - 1 if rows else 0
        limits = [Connections(limit=int(str(total)), in_use=max(everybody, 0), bound_by="max_connections")]
        if int(str(account)) > 0:
            mine = session.value(
                "SELECT COUNT(*) FROM information_schema.PROCESSLIST "
                "WHERE USER = SUBSTRING_INDEX(CURRENT_USER(), '@', 1) AND ID <> CONNECTION_ID()"
            )
            limits.append(Connections(limit=int(str(account)), in_use=int(str(mine)), bound_by="max_user_connections"))
        tightest = min(limits, key=lambda item: item.limit - item.in_use)
        return replace(tightest, idle_timeout_s=float(str(session.value("SELECT @@session.wait_timeout"))))

    def transaction(self, session: Session, end: str) -> str | None:
        """Write to a temporary table of this session, end the transaction, and count."""
        if session.value("SELECT DATABASE()") is None:
            return "the URL names no database"
        table = f"bootcheck_{secrets.token_hex(6)}"
        try:
            session.query(f"CREATE TEMPORARY TABLE {table} (n INT) ENGINE=InnoDB")
        except Failure as failure:
            if failure.code == PRIVILEGE:
                return "it needs CREATE TEMPORARY TABLES, which is not granted"
            raise
        try:
            session.query("START TRANSACTION")
            session.query(f"INSERT INTO {table} VALUES (1)")  # noqa: S608 - our own name
            session.query(end)
            found = session.value(f"SELECT COUNT(*) FROM {table}")  # noqa: S608
        finally:
            with contextlib.suppress(Failure):
                session.query(f"DROP TEMPORARY TABLE {table}")
        expected = "1" if end == "COMMIT" else "0"
        if found != expected:
            raise Failure(OTHER, f"After {end} the table holds {found} row(s), not {expected}.")
        return None

    def create_drop(self, session: Session, table: str) -> None:
        """Create and drop; each statement commits by itself, so what is left after a failure is dropped."""
        session.query(f"CREATE TABLE {table} (id INT PRIMARY KEY, note VARCHAR(20))")
        try:
            session.query(f"INSERT INTO {table} VALUES (1, 'bootcheck')")  # noqa: S608
            found = session.value(f"SELECT note FROM {table} WHERE id = 1")  # noqa: S608
        except Failure:
            with contextlib.suppress(Failure):
                session.query(f"DROP TABLE {table}")
            raise
        try:
            session.query(f"DROP TABLE {table}")
        except Failure as failure:
            failure.actions = (f"The table {table} could be created and not dropped: drop it by hand.",)
            raise
        if found != "bootcheck":
            raise Failure(OTHER, "A row that was just written could not be read.")

    def _may_write(self, session: Session) -> bool:
        grants = self._grants(session)
        return any(grants.everywhere(privilege) for privilege in _WRITES_ANYWAY)

    def _grants(self, session: Session) -> Grants:
        lines = [str(row[0]) for row in session.query("SHOW GRANTS")]
        # MySQL lists what a role grants only if it is asked with the roles in force.
        with contextlib.suppress(Failure):
            role = session.value("SELECT CURRENT_ROLE()")
            if role not in (None, "", "NONE") and "@" in str(role):
                lines = [str(row[0]) for row in session.query(f"SHOW GRANTS FOR CURRENT_USER() USING {role}")]
        return read(lines)
