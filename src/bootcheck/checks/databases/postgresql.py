"""PostgreSQL, and what speaks its protocol: from the URL to a session that has answered `SELECT 1`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from bootcheck.checks.databases import pg_drivers, pg_login, pg_questions
from bootcheck.checks.databases.asked import Asked
from bootcheck.checks.databases.deadline import Deadline, Lane
from bootcheck.checks.databases.failure import OTHER, READ_ONLY, TLS, Failure, login_summary
from bootcheck.checks.databases.network import Reached, reach
from bootcheck.checks.databases.pg_places import places
from bootcheck.checks.databases.pg_wire import ENCRYPTING, Refusal
from bootcheck.checks.databases.session import Handle, Session, opened, unknown
from bootcheck.model.checkpoint import Phase

DIALECT = pg_questions.Questions()


def connect(asked: Asked, deadline: Deadline) -> Session:
    """Return a session that has answered `SELECT 1`; raises Failure with the reason."""
    reached, unreachable = _reach_any(asked, deadline)
    server = ", ".join(str(item.place) for item in reached) or "the server of the service file"
    entry = _Entry(asked, reached, server, deadline)
    lane = Lane()
    with asked.recorder.step("database.login", Phase.DATABASE, user=asked.user, database=asked.database) as step:
        try:
            handle = entry.log_in(lane)
        except BaseException:
            lane.close()
            raise
        step.detail(driver=handle.driver)
    session = Session(
        handle=handle,
        lane=lane,
        server=server,
        deadline=Deadline(max(asked.connect_timeout, 5.0)),
        tls=dict(handle.tls),
        unreachable=unreachable,
    )
    try:
        with asked.recorder.step("database.select", Phase.DATABASE):
            pid = session.value("SELECT pg_backend_pid()::text WHERE 1 = 1")
        # A pooler invents the pid that it tells its clients.
        session.pooler = None if handle.backend_pid is None or pid is None else str(handle.backend_pid) != pid
    except BaseException:
        session.close()
        raise
    return session


def _reach_any(asked: Asked, deadline: Deadline) -> tuple[list[Reached], list[Failure]]:
    """Return every place that accepts connections, and why the others do not; raises if none does."""
    wanted = places(asked.url, asked.environ)
    if not wanted:
        asked.recorder.skipped("database.tcp", Phase.DATABASE, "the host stands in libpq's service file")
    found: list[Reached] = []
    failures: list[Failure] = []
    for index, place in enumerate(wanted):
        # Several hosts share the time: the first one may be the dead one.
        share = deadline if len(wanted) == 1 else Deadline(deadline.left / (len(wanted) - index))
        try:
            found.append(reach(place, asked.recorder, share)[0])
        except Failure as failure:
            failures.append(failure)
    if failures and not found:
        raise failures[0]
    return found, failures


class _Entry:
    """The login, with the app's driver where there is one."""

    def __init__(self, asked: Asked, reached: Sequence[Reached], server: str, deadline: Deadline) -> None:
        self._asked = asked
        self._reached = reached
        self._server = server
        self._deadline = deadline
        self._login = pg_login.own_login(asked, reached)

    def log_in(self, lane: Lane) -> Any:
        """Return a handle; raises Failure."""
        driver = pg_drivers.choose(self._asked.url.driver)
        if driver is None:
            return self._open(self._own, self._judge_own, lane)
        parameters = pg_login.libpq_parameters(self._asked, self._reached)

        def with_driver() -> Handle:
            return driver({**parameters, "connect_timeout": max(2, math.ceil(self._deadline.left))})

        try:
            return self._open(with_driver, self._judge, lane)
        except Failure as failure:
            if failure.sqlstate is not None or self._deadline.left <= 0:
                raise
            explained = pg_login.explain(self._reached, self._login, self._deadline.left)
            if explained is not None:
                raise explained from failure
        # Our own login was admitted: either the reason is gone, or it lies in the driver's options.
        try:
            return self._open(with_driver, self._judge, lane)
        except Failure as failure:
            raise self._drivers_own(failure, driver.driver) from failure

    def _open(self, connect: Callable[[], Handle], judge: Callable[[BaseException], Failure], lane: Lane) -> Handle:
        return opened(connect, judge, lane=lane, deadline=self._deadline, server=self._server)

    def _own(self) -> Handle:
        if not self._reached:
            raise Failure(OTHER, "A service file can be read by libpq only, and neither psycopg nor psycopg2 is there.")
        return pg_login.log_in(self._reached[0], self._login, max(self._deadline.left, 0.05))

    def _judge(self, exc: BaseException) -> Failure:
        found = pg_drivers.judge(exc, f"{self._server} cannot be used.")
        if found is None:
            return unknown(exc, self._server)
        if found.sqlstate is not None:
            found.summary = login_summary(found.code, self._server, self._asked.user, self._asked.database)
        return found

    def _judge_own(self, exc: BaseException) -> Failure:
        if isinstance(exc, Refusal):
            left = max(pg_login.EXPLAINING, self._deadline.left)
            return pg_login.refusal(self._reached[0], self._login, exc, left)
        return pg_login.of_wire(exc, self._server, self._deadline.seconds) or unknown(exc, self._server)

    def _drivers_own(self, failure: Failure, driver: str) -> Failure:
        if failure.sqlstate is not None or failure.code != OTHER:
            return failure
        wanted = self._asked.url.query.get("target_session_attrs", "any")
        if wanted != "any":
            none = f"None of the hosts {self._server} is what target_session_attrs={wanted} asks for."
            return Failure(READ_ONLY, none, text=failure.text)
        if self._login.sslmode in ENCRYPTING:
            return Failure(TLS, f"TLS with {self._server} fails in {driver}.", text=failure.text)
        return Failure(
            OTHER,
            f"{driver} cannot connect to {self._server}, which admits the same login: an option of the URL is wrong.",
            text=failure.text,
        )
