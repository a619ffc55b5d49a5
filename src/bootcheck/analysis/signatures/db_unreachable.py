"""The database cannot be reached.

What it means
    The connection failed before any login: refused, name not resolved, no answer in time, server still
    starting, TLS not possible.

How it looks
    `connection to server at "db", port 5432 failed: Connection refused`, `could not translate host name`,
    `(2003, "Can't connect to MySQL server on 'db'")`, `ServerSelectionTimeoutError`.

Why it happens
    The database starts later than the app; `localhost` inside a container; a firewall or security
    group; a wrong port; a server that only listens on its own loopback.

What to do
    Check host and port from this machine. Let the start wait (`database(wait=30)`) where the database may
    come later.

How to know it is fixed
    `bootcheck check` passes the steps database.dns and database.tcp.
"""

from __future__ import annotations

import re

from bootcheck.analysis import foreign, late
from bootcheck.analysis.conclusion import conclude, one_line, waited_for
from bootcheck.analysis.hanging import DATABASE, awaited, unanswered
from bootcheck.analysis.trouble import Raised, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "db-unreachable"
RULES: tuple[str, ...] = ()
WHERE_ALL_FAIL = True
SINCE_FAILED = True
_PORT = r"(?:1433|1521|3306|5432|6543|9042|27017)\b"
TELLTALE = late.regex(
    rf"timeout occurred after waiting \d+ seconds for \S+:{_PORT}|^\S+:{_PORT} - no response$|"
    rf"waiting on dependencies to become available: \[tcp://[^\s/]+:{_PORT}|"
    r"^(?:[Pp]ostgres\w*|[Mm]y[Ss][Qq][Ll]|[Mm]aria[Dd][Bb]|[Mm]ongo\w*|[Dd]atabase|DB) (?:server )?is "
    r"(?:unavailable|up) - "
)
"""What the scripts say that wait for it before they start a server."""
WORDS = (
    "timeout occurred after waiting",
    " - no response",
    "waiting on dependencies",
    " is unavailable - ",
    " is up - ",
)
TELLTALE_CAUSE = Cause.NONE

_DATABASE = late.regex(
    r"^(?:psycopg2?|asyncpg|aiopg|MySQLdb|_mysql_exceptions|pymysql|aiomysql|mysql\.connector|sqlalchemy|"
    r"django\.db|peewee|psycopg_pool|tortoise|databases|asyncmy|neo4j|clickhouse_\w+|influxdb\w*|pymongo|motor|"
    r"oracledb|cx_Oracle|pyodbc|pymssql|mongoengine|cassandra|"
    r"prisma|arango|couchdb|clickhouse|snowflake|redshift_connector|databricks|trino|pg8000|mariadb|aioodbc|"
    r"ibm_db\w*|hdbcli|vertica_python|surrealdb|libsql\w*|pyhive|pytds|beanie|couchbase|cloudant|firebird|fdb|crate|"
    r"teradatasql|pyexasol|aerospike)\b"
)
_FRAMES = late.regex(
    r"/(?:psycopg2?|asyncpg|MySQLdb|pymysql|aiomysql|mysql/connector|pymongo|oracledb|cassandra|pyodbc)/|"
    r"-packages/(?:psycopg_pool|aiopg|asyncmy|pg8000|neo4j|clickhouse_(?:driver|connect)|influxdb(?:_client)?|couchdb|"
    r"cloudant|arango|trino|databricks/sql|snowflake/connector|redshift_connector|pytds|pyhive|vertica_python|surrealdb)/"
)
"""Drivers; some of them go over HTTP, and what they meet then is an HTTP client's exception."""
_SAID = late.regex(
    r"could not connect to server|connection to server (?:at|on)|"
    r"Can't connect to (?:local )?(?:MySQL )?server|\(200[2356],|\(2013,|could not translate host name|"
    r"Connection refused|Connection timed out|timeout expired|timed out|No route to host|"
    r"Network is unreachable|server closed the connection unexpectedly|"
    r"the database system is (?:starting up|shutting down|in recovery)|server does not support SSL|"
    r"Name or service not known|name resolution|"
    r"ServerSelectionTimeout|AutoReconnect|No servers found|ORA-12(?:541|514|170|545)|failed to resolve|"
    r"NoHostAvailable|Connection reset by peer|"
    r"Lost connection to|\(2026,|EOF detected|PoolTimeout|All nameservers failed|NotPrimaryError|not master|"
    r"SSL connection has been closed|SSL error|certificate file|rejected SSL upgrade|terminating connection due to|"
    r"not yet accepting connections|connection is closed|connection already closed|unexpected connection_lost|"
    r"Can't create a connection to host|(?:[Cc]ould not|[Ff]ailed to) connect to|\[08S01\]|\[HYT0[01]\]|"
    r"ORA-(?:0103[34]|0311[34]|01089|12154|12505|12518|12537|12547|12560)|DPY-40(?:00|26|27)|"
    r"DNS query name does not exist|"
    r"resolution lifetime expired|DPY-(?:6\d{3}|4011)|ConnectionDoesNotExist|[Cc]an't establish connection|"
    r"Couldn't connect to|\b200[235](?: \(HY000\))?: |"
    r"gaierror|Unable to (?:connect|establish connection)|pgbouncer cannot connect|P100[12]: |"
    r"DB-Lib error message 2000[29]|SSL connection is required|\[08001\]|connection is bad|could not receive data|"
    r"No address associated with hostname|\bnetwork error\b|MySQL Connection not available|Unknown server host|"
    r"is not currently available|ORA-12162|UnresolvableContactPoints|[Rr]outing information|DatabaseUnavailable|"
    r"NetworkError|SocketTimeout|Max retries exceeded|\b(?:404|50[234]) (?:Not Found|Bad Gateway|Service Unavailable)|"
    r"MaxRetryDuration|SQL30081N|SQL1013N|Connection failed|[Ff]ailed to establish a connection|"
    r"Service Unavailable|IM002|Data source name not found|\((?:3159|9002),|insecure transport|requires TLS|"
    r"expected authentication request from server|invalid response to SSL negotiation|sslmode value|"
    r"Control plane request failed|server conn crashed|no working server connection|"
    r"SessionExpired|Bolt(?:Handshake|Protocol|Security)|TransientError|ConnectionAcquisition|ConnectionPoolError|"
    r"SocketDeadline|NotALeader|CannotConnectNow|AdminShutdown|CrashShutdown|ServiceUnavailable|"
    r"insecure connections|connection is insecure|unsupported startup parameter|"
    r"could not connect to any backend|login retry|client_login_timeout|CollectionWasNotInitialized|ConnectionError",
    re.IGNORECASE,
)
_OWN_WORDS = late.regex(
    r"could not translate host name|FATAL: +the database system is |"
    r"Is the server running (?:on|locally)|connection to server (?:at|on) \"|Can't connect to (?:local )?MySQL server|"
    r"\(200[2356], [\"']|ServerSelectionTimeoutError|PostgreSQL server at \"|"
    r"_mongodb\._tcp\.|Connect call failed \('[^']{1,80}', (?:1433|1521|3306|5432|6543|9042|27017)[,)]"
)
"""What only a database's client says, whoever quotes it; a well-known port where the event loop says no more."""
_POOL = late.regex(r"QueuePool limit of size")
"""The app's own pool is empty: the database may be well."""
_CONNECTING = frozenset({"connect", "_connect", "Connect", "__init__", "open_connection", "_open_connection"})
"""A driver's own functions that connect: what they raise, and the server did not say, is about the way to it."""
_PLAIN = (
    "ConnectionRefusedError",
    "ConnectionError",
    "gaierror",
    "TimeoutError",
    "timeout",
    "ConnectionResetError",
    "OSError",
    *("NewConnectionError", "MaxRetryError", "ConnectTimeout", "ReadTimeout", "ConnectError", "NameResolutionError"),
    *("NoNameservers", "LifetimeTimeout", "NXDOMAIN", "NoAnswer"),
)
_APP_SAYS = late.regex(
    r"(?:could not|couldn't|can(?:not|'t| not)|unable to|fail(?:ed|ing|ure)?(?: to)?|error)(?: when| while)? ?"
    r"(?:re-?)?(?:connect|reach|contact|establish)\w*[^\n]{0,40}?\b"
    r"(?:database|db|postgres\w*|mysql|mariadb|mongo\w*|oracle|sql server|cassandra|neo4j|clickhouse)\b|"
    r"\b(?:database|db|postgres(?:ql)?|mysql|mariadb|mongo(?:db)?|cassandra|neo4j|clickhouse)"
    r"(?: server| host| connection| cluster)? ?(?:is |was |has |at \S+ |: )*"
    r"(?:not (?:yet )?(?:available|reachable|responding|ready|running|accessible)|unavailable|unreachable|"
    r"offline|down\b|"
    r"connection (?:fail(?:ed|ure)|error|lost|timeout)|"
    r"(?:connection )?(?:refused|timed out)|did(?:n't| not) (?:respond|answer|become))|"
    r"(?:timed out|timeout|gave up|giving up)[^\n]{0,20} (?:wait\w* )?(?:for|on) (?:the )?"
    r"(?:database|db|postgres\w*|mysql)\b",
    re.IGNORECASE,
)
"""An app's own words for it, where it raises an exception of its own."""
_NO_DATABASE = late.regex(r"redis|elastic|opensearch|solr|vector", re.IGNORECASE)
"""What is called a database as well, and is another service."""
_OWN_FAULTS = (
    *("ImportError", "ModuleNotFoundError", "SyntaxError", "AttributeError", "NameError", "TypeError", "KeyError"),
    *("IndexError", "FileNotFoundError", "PermissionError", "UnicodeDecodeError", "NotImplementedError"),
)


def match(trouble: Trouble) -> Finding | None:
    """Conclude where a database's driver reports that it got no connection."""
    error = trouble.error
    if error is None:
        return _waited(trouble) if awaited(trouble) != DATABASE else unanswered(trouble, "The database")
    if (
        not _of_database(error)
        or _POOL.search(error.text)
        or not (_tells(error) or error.is_a(*_PLAIN) or _connecting(error))
    ):
        return None
    return conclude(
        trouble,
        f"The database cannot be reached: {one_line(error.text)}",
        "Check host, port and network from this machine; inside a container `localhost` is the container itself.",
        "If the database starts later than the app, let the start wait for it: database(wait=30) in bootcheck.conf.py.",
        code=None if trouble.died else "BC210",
        confirm="bootcheck check",
    )


def _waited(trouble: Trouble) -> Finding | None:
    """Conclude from what a script waited for in vain, where no server came after it."""
    told = waited_for(trouble, TELLTALE)
    if told is None:
        return None
    return conclude(
        trouble,
        f"The start script waits for the database in vain: {one_line(told.text)}",
        "Check host, port and network from this machine, and the database's own log.",
        confirm="bootcheck check",
        confidence="medium",
        evidence=[told],
    )


def _tells(error: Raised) -> bool:
    return bool(_SAID.search(error.text) or _APP_SAYS.search(error.text)) or foreign.says("way", error)


def _of_database(error: Raised) -> bool:
    if _DATABASE.search(error.type) or _OWN_WORDS.search(error.text):
        return True
    if _APP_SAYS.search(error.text) and not error.is_a(*_OWN_FAULTS) and not _NO_DATABASE.search(error.text):
        return True
    return error.is_a("OperationalError", "InterfaceError", *_PLAIN) and any(
        _FRAMES.search(frame.file) for frame in error.frames
    )


def _connecting(error: Raised) -> bool:
    last = error.frames[-1] if error.frames else None
    return (
        last is not None
        and last.function in _CONNECTING
        and bool(_FRAMES.search(last.file))
        and error.is_a("OperationalError")
    )
