"""The database refuses user, password or database name.

What it means
    The server was reached and said no: this user may not log in, the password is wrong, or the
    database does not exist.

How it looks
    `FATAL: password authentication failed for user "app"`, `(1045, "Access denied for user …")`,
    `database "app" does not exist`, `no pg_hba.conf entry for host`.

Why it happens
    A rotated password; a special character in the URL that was not percent-encoded; the database of
    another environment; an address that pg_hba.conf does not list.

What to do
    Log in by hand with the same URL from the same machine. Percent-encode the password in a URL.

How to know it is fixed
    `bootcheck check` passes the step database.login.
"""

from __future__ import annotations

import re

from bootcheck.analysis import foreign, late
from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.trouble import Raised, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "db-auth-failed"
RULES: tuple[str, ...] = ()
WHERE_ALL_FAIL = True
SINCE_FAILED = True
TELLTALE = late.regex(
    r"error connecting in '[^']*': .*(?:authentication failed|does not exist|no password supplied|"
    r"not permitted to log in)"
)
"""What psycopg's pool logs each time that it tries; who waits for it is only told that it took too long."""
WORDS = ("error connecting in '",)
TELLTALE_CAUSE = Cause.NONE

_SAID = late.regex(
    r"(?:password|Peer|Ident|SCRAM|GSSAPI|LDAP|PAM|RADIUS|certificate) authentication failed|"
    r"is not allowed to connect to this M\w+ server|\(1130,|\b1130 \(|Authentication plugin '|\(2059,|"
    r"no such (?:database|user): |SCRAM authentication requires libpq|authentication method \d+ not supported|"
    r"is not currently accepting connections|command denied to user|\((?:1251|1820|1862|3118),|"
    r"Your password has expired|ORA-(?:01005|01031|01045|2800[019])|DPY-40(?:01|10)|"
    r"Cannot open (?:database|server) [\"']|not authorized on \S+ to execute|user is not allowed to do action|"
    r"cassandra\.AuthenticationFailed|neo4j\.exceptions\.AuthError|Authentication failed: password is incorrect|"
    r"Incorrect username or password was specified|P10(?:00|03|10): |must be owner of |"
    r"permission denied to (?:create|set)|"
    r"AuthenticationFailed\(|server login (?:has been failing|failed)|SCRAM-SHA-\d+ authentication failed|"
    r"permission denied for \w+ (?:\w+)$|Name or password is incorrect|"
    r"Tenant or user not found|\b10(?:44|45|49) \((?:42000|28000)\)|\bpg_hba\.conf\b|fe_sendauth: no password supplied|"
    r"role \"[^\"]*\" does not exist|database \"[^\"]*\" does not exist|"
    r"is not permitted to log in|permission denied for (?:table|relation|schema|database|sequence|"
    r"function)|InvalidPassword|InvalidCatalogName|InvalidAuthorization|"
    r"InsufficientPrivilege|Access denied for user|Unknown database|\(104[459],|\(1049,|\(1698,|"
    r"Login failed for user|ORA-01017|"
    r"SASL authentication failed|Authentication failed\.?.{0,80}(?:code|Mongo|18)|bad auth : |"
    r"command \w+ requires authentication|"
    r"authentication failed for (?:user|role)|password authentication, but no password|bouncer config error|"
    r"tenant/user \S+ not found|has no credentials for the role|Invalid Username specified|"
    r"Invalid authorization specification|requires a valid client certificate|no PostgreSQL user name|"
    r"missing cluster identifier|\((?:1227|1524|2061|4151),|\b(?:1698|1524|1227|2061|3118) \(|\[28000\]|"
    r"'C': '(?:28P01|28000|3D000|42501)'|The server principal .{1,90} is not able to access|"
    r"\[SQL Server\].*\((?:18456|18452|4060|4064|40615|916|229)\)|permission was denied on the|SSPI Provider|"
    r"'codeName': '(?:AuthenticationFailed|Unauthorized|AtlasError)'|Keyspace '.{1,80}' does not exist|"
    r"Neo\.ClientError\.(?:Security\.|Database\.DatabaseNotFound)|UNKNOWN_DATABASE|"
    r"DB::Exception: (?:.{0,80}(?:Not enough privileges|Authentication failed)|Database \S+ does(?:n't| not) exist)|"
    r"is not allowed to access Snowflake|(?:Database|Schema|Warehouse|Role) '.{1,80}' does not exist or not authorized|"
    r"name=(?:PERMISSION_DENIED|CATALOG_NOT_FOUND)|SQL30082N|user name and password are not defined",
    re.IGNORECASE,
)


_OVER_HTTP = late.regex(
    r"^(?:pymongo|mongoengine|motor|beanie|influxdb\w*|couchdb|arango|neo4j|cassandra|prisma|trino|clickhouse_\w+|"
    r"snowflake|databricks|libsql\w*|surrealdb|cloudant|couchbase)\."
)
_OF_DATABASE = late.regex(
    r"^(?:psycopg\w*|asyncpg|aiopg|pg8000|MySQLdb|_mysql\w*|pymysql|aiomysql|asyncmy|mysql|mariadb|pyodbc|aioodbc|pymssql|"
    r"pytds|oracledb|cx_Oracle|sqlalchemy\.exc|django\.db|peewee|tortoise|hdbcli|vertica_python|pyhive|ibm_db\w*|"
    r"redshift_connector|firebird|fdb|teradatasql|pyexasol|crate)\b"
)
_DENIED = late.regex(r"[Aa]uthentication failed|\b401\b|[Uu]nauthorized|authorization failed")
"""What these clients say of a login in words that a service's client has as well."""

_REFUSED = late.regex(
    r"neo4j\.exceptions\.(?:Forbidden\b|TokenExpired)|"
    r"(?<![a-z])auth(?:entication|orization)? (?:has )?fail(?:s|ed)|failed to authenticate|no users authenticated|"
    r"problem with authentication|(?<!does not exist or )not authorized|access denied|unauthenticated|"
    r"unsupported (?:SASL )?authentication method|invalid (?:user ?name|password|credentials?|login|access token)|"
    r"(?:user ?name|password|credentials)\W.{0,40}(?:invalid|incorrect|wrong)|bad username|validating the login|"
    r"INSUFFICIENT_PERMISSIONS|account is locked|access token (?:is|has) expired|unrecognized role|"
    r"user is (?:empty|invalid)|ensure the password is valid|LoginError",
    re.IGNORECASE,
)
"""What any database says of it, in words that others use as well."""


def match(trouble: Trouble) -> Finding | None:
    """Conclude from the server's own refusal."""
    error = trouble.error
    told = trouble.line(TELLTALE) if error is None or error.is_a("PoolTimeout") else ()
    if not told and not (error is not None and _refuses(error)):
        return None
    return conclude(
        trouble,
        f"The database refuses the login: {one_line(told[0].text if told or error is None else error.text)}",
        "Check user, password and database name of the URL by hand from this machine (psql, mysql); "
        "percent-encode special characters.",
        code=None if trouble.died else "BC213",
        confirm="bootcheck check",
    )


def _refuses(error: Raised) -> bool:
    return bool(_SAID.search(error.text) or foreign.says("login", error) or _is_denied(error))


def _is_denied(error: Raised) -> bool:
    if _OVER_HTTP.search(error.type) and _DENIED.search(error.text):
        return True
    known = _OVER_HTTP.search(error.type) or _OF_DATABASE.search(error.type)
    return known is not None and _REFUSED.search(error.text) is not None
