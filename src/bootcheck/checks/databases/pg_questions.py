"""What PostgreSQL is asked once it lets us in. Every answer is cast to text: each driver has other types."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bootcheck.checks.databases.failure import OTHER, Failure
from bootcheck.checks.databases.interview import Connections, Granted
from bootcheck.checks.databases.session import Session, create_drop

_LIMITS = """
SELECT current_setting('max_connections'),
       current_setting('superuser_reserved_connections'),
       coalesce(current_setting('reserved_connections', true), '0'),
       (SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user),
       (SELECT rolconnlimit::text FROM pg_roles WHERE rolname = current_user),
       (SELECT datconnlimit::text FROM pg_database WHERE datname = current_database()),
       count(*)::text,
       count(*) FILTER (WHERE usename = current_user)::text,
       count(*) FILTER (WHERE datname = current_database())::text,
       (SELECT setting FROM pg_settings WHERE name = 'idle_session_timeout')
FROM pg_stat_activity
WHERE usesysid IS NOT NULL AND pid <> pg_backend_pid()
"""

_UNWRITABLE = """
SELECT count(*)::text, coalesce(string_agg(lacking.name, ',' ORDER BY lacking.name), '')
FROM (
    SELECT c.oid::regclass::text AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
      AND NOT (has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
               AND has_table_privilege(c.oid, 'DELETE'))
    LIMIT 5
) AS lacking
"""

_ASKS = {
    "connect": "SELECT has_database_privilege(current_database(), 'CONNECT')::text, current_database()",
    "temporary": "SELECT has_database_privilege(current_database(), 'TEMPORARY')::text, current_database()",
    "usage": "SELECT has_schema_privilege(current_schema(), 'USAGE')::text, current_schema()",
    "create": "SELECT has_schema_privilege(current_schema(), 'CREATE')::text, current_schema()",
}


class Questions:
    """PostgreSQL's own functions answer."""

    def version(self, session: Session) -> str:
        """Return the server's product and version."""
        row = session.query("SELECT version(), current_setting('server_version')")[0]
        product = str(row[0]).split()[0]
        return f"{product} {row[1]}" if product == "PostgreSQL" else str(row[0])[:80]

    def tls(self, session: Session) -> dict[str, Any]:
        """Return what was negotiated; behind a pooler only our own half is known."""
        if session.server.startswith(("/", "@")):
            return {}
        if session.tls.get("in_use") and not session.tls.get("protocol") and not session.pooler:
            rows = session.query("SELECT version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            if rows:
                session.tls |= {"protocol": rows[0][0], "cipher": rows[0][1]}
        return session.tls

    def read_only(self, session: Session) -> str | None:
        """Tell a standby from a session or role that only reads."""
        recovering, read_only = session.query(
            "SELECT pg_is_in_recovery()::text, current_setting('transaction_read_only')"
        )[0]
        if recovering == "true":
            return "it is a standby in recovery"
        return "default_transaction_read_only is on for this user or database" if read_only == "on" else None

    def privilege(self, session: Session, name: str) -> Granted:
        """Ask has_schema_privilege, has_database_privilege or has_table_privilege."""
        if name == "write":
            count, tables = session.query(_UNWRITABLE)[0]
            lacking = tuple(str(tables).split(",")) if count != "0" else ()
            where = f"table {lacking[0]}" if len(lacking) == 1 else "the tables of the schema"
            return Granted(granted=not lacking, where=where, lacking=lacking)
        granted, where = session.query(_ASKS[name])[0]
        if where is None:
            return Granted(granted=False, where="any schema of the search_path, for none is there or usable")
        kind = "schema" if name in ("usage", "create") else "database"
        return Granted(granted=granted == "true", where=f"{kind} {where}")

    def connections(self, session: Session) -> Connections | None:
        """Return the tightest of the server's, the role's and the database's limits."""
        total, reserved, more, superuser, role, database, everybody, mine, here, idle = session.query(_LIMITS)[0]
        held_back = 0 if superuser == "true" else int(reserved) + int(more)
        limits = [Connections(limit=int(total) - held_back, in_use=int(everybody), bound_by="max_connections")]
        if role is not None and int(role) >= 0 and superuser != "true":
            limits.append(Connections(limit=int(role), in_use=int(mine), bound_by="CONNECTION LIMIT of the role"))
        if database is not None and int(database) >= 0 and superuser != "true":
            bound = "CONNECTION LIMIT of the database"
            limits.append(Connections(limit=int(database), in_use=int(here), bound_by=bound))
        tightest = min(limits, key=lambda item: item.limit - item.in_use)
        # In milliseconds; PostgreSQL 13 and older have no such setting.
        return replace(tightest, idle_timeout_s=int(idle) / 1000 if idle not in (None, "0") else None)

    def transaction(self, session: Session, end: str) -> str | None:
        """Let the server say what became of a transaction that has a number and changes nothing."""
        session.query("BEGIN")
        try:
            number = session.value("SELECT txid_current()::text")
        except Failure:
            session.query("ROLLBACK")
            raise
        session.query(end)
        became = session.value(f"SELECT txid_status({int(number)})")
        expected = "committed" if end == "COMMIT" else "aborted"
        if became != expected:
            raise Failure(OTHER, f"After {end} the transaction is {became}, not {expected}.")
        return None

    def create_drop(self, session: Session, table: str) -> None:
        """Do it in one transaction: also a process that is killed in the middle leaves nothing."""
        create_drop(session, table, begin="BEGIN")
