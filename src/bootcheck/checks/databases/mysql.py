"""MySQL and MariaDB: from the URL to a session that has answered `SELECT 1`.

One connection is opened, not one to look and one to log in: MySQL counts connections without a
login as errors of this host, and blocks it after a hundred (`max_connect_errors`).
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from functools import partial
from typing import Any

from bootcheck.checks.databases import mysql_drivers, mysql_questions
from bootcheck.checks.databases.asked import Asked
from bootcheck.checks.databases.deadline import Deadline, Lane
from bootcheck.checks.databases.failure import (
    AUTH,
    NO_DRIVER,
    OTHER,
    REFUSED,
    TIMEOUT,
    TLS,
    UNRESOLVED,
    Failure,
    login_summary,
)
from bootcheck.checks.databases.mysql_drivers import Handle, Target
from bootcheck.checks.databases.network import Place, reach, resolve
from bootcheck.checks.databases.session import Session, mute, opened
from bootcheck.model.checkpoint import Phase

DIALECT = mysql_questions.Questions()
_LOOKING = 0.8
"""Seconds to find out, after the time is up, whether the server accepts connections at all."""


def connect(asked: Asked, deadline: Deadline) -> Session:
    """Return a session that has answered `SELECT 1`; raises Failure with the reason."""
    driver = mysql_drivers.choose(asked.url.driver)
    place = _place(asked, driver)
    lane = Lane()
    entry = _Entry(asked, place, driver, deadline)
    try:
        entry.prepare()
        with asked.recorder.step(
            "database.login", Phase.DATABASE, user=asked.user, database=asked.database, driver=driver.driver
        ):
            handle = entry.log_in(lane)
    except BaseException:
        entry.give_up(lane)
        raise
    session = Session(
        handle=handle, lane=lane, server=str(place), deadline=Deadline(max(asked.connect_timeout, 5.0)), pooler=None
    )
    try:
        entry.tell_address(handle)
        with asked.recorder.step("database.select", Phase.DATABASE):
            session.value("SELECT 1")
    except BaseException:
        session.close()
        raise
    return session


def _place(asked: Asked, driver: type[Handle]) -> Place:
    url = asked.url
    path = url.unix_socket
    host = url.effective_host or "localhost"
    if path is None and host == "localhost" and driver.socket_for_localhost:
        path = next((known for known in mysql_drivers.SOCKETS if os.path.exists(known)), None)
    if path is not None:
        return Place(path=path)
    return Place(host=host, port=url.effective_port or 3306)


class _Entry:
    """The way in with one driver."""

    def __init__(self, asked: Asked, place: Place, driver: type[Handle], deadline: Deadline) -> None:
        self._asked = asked
        self._place = place
        self._driver = driver
        self._deadline = deadline
        self._connection: Any = None

    def prepare(self) -> None:
        """Go as far as can be gone without a second connection; raises Failure."""
        if self._place.path is not None:
            self._look_at_socket(self._place.path)
        elif self._driver.takes_socket:
            _, self._connection = reach(self._place, self._asked.recorder, self._deadline, keep=True)
        else:
            resolve(self._place, self._asked.recorder, self._deadline)

    def log_in(self, lane: Lane) -> Handle:
        """Return a handle; raises Failure."""
        try:
            return self._open(lane)
        except Failure as failure:
            if failure.code == AUTH and self._admitted_with_tls(lane):
                raise Failure(
                    TLS,
                    f"{self._place} admits user {self._asked.user} over TLS only.",
                    text=failure.text,
                    number=failure.number,
                    actions=("Add ?ssl_mode=REQUIRED, better ?ssl_ca=… and ssl_mode=VERIFY_IDENTITY, to the URL.",),
                ) from failure.__cause__
            raise self._explained(failure) from failure.__cause__

    def _open(self, lane: Lane, *, encrypt: bool = False) -> Handle:
        target = Target(
            url=self._asked.url,
            place=self._place,
            connection=self._connection,
            seconds=max(self._deadline.left, 0.1),
            encrypt=encrypt,
        )
        connect = partial(self._driver, target)
        return opened(connect, self._judge, lane=lane, deadline=self._deadline, server=str(self._place))

    def _admitted_with_tls(self, lane: Lane) -> bool:
        """Tell whether the login is refused for want of TLS: MySQL says the same as for a wrong password."""
        query = self._asked.url.query
        if self._place.path is not None or self._driver.prefers_tls or any(name.startswith("ssl") for name in query):
            return False
        try:
            self._open(lane, encrypt=True).close()
        except Failure:
            return False
        return True

    def give_up(self, lane: Lane) -> None:
        """End a connection that nobody took over; the driver may still wait for an answer on it."""
        if self._connection is None:
            lane.close()
            return
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        lane.close(self._connection.close)

    def tell_address(self, handle: Handle) -> None:
        """Record where the driver's own connection went; the others were recorded on the way."""
        if self._place.path is None and self._connection is None:
            address = handle.peer()
            self._asked.recorder.passed("database.tcp", Phase.DATABASE, port=self._place.port, address=address)

    def _look_at_socket(self, path: str) -> None:
        recorder = self._asked.recorder
        recorder.skipped("database.dns", Phase.DATABASE, "the server is reached through a Unix socket", path=path)
        with recorder.step("database.socket", Phase.DATABASE, path=path):
            try:
                if path.startswith("@") or stat.S_ISSOCK(os.stat(path).st_mode):
                    return
            except OSError as exc:
                raise Failure(REFUSED, f"There is no socket {path}.", text=str(exc), number=exc.errno) from exc
            raise Failure(REFUSED, f"{path} is no socket.")

    def _judge(self, exc: BaseException) -> Failure:
        server, asked = str(self._place), self._asked
        missing = mysql_drivers.missing_part(exc)
        if missing is not None:
            summary = f"{self._driver.driver} needs the package {missing} for this login."
            return Failure(NO_DRIVER, summary, actions=(f"pip install {missing}",))
        failure = mysql_drivers.judge(exc, server)
        if failure is None:
            return Failure(OTHER, f"{server} cannot be used: {type(exc).__name__}.", text=str(exc))
        if failure.code not in (REFUSED, UNRESOLVED, OTHER):
            failure.summary = login_summary(failure.code, server, asked.user, asked.database)
        return failure

    def _explained(self, failure: Failure) -> Failure:
        """Tell apart what the C libraries report with one number: refused, unreachable, or no answer."""
        network = failure.code in (REFUSED, TIMEOUT) or failure.number in mysql_drivers.LOST
        if self._connection is not None or self._place.path is not None or not network:
            return self._lost(failure)
        try:
            _, connection = reach(self._place, self._asked.recorder, Deadline(_LOOKING), keep=True)
        except Failure as reached:
            return reached
        if connection is not None:
            connection.close()
        return self._lost(failure)

    def _lost(self, failure: Failure) -> Failure:
        if failure.number not in mysql_drivers.LOST:
            return failure
        server = str(self._place)
        if self._deadline.left <= 0.05:
            return mute(server, self._deadline.seconds)
        return Failure(
            OTHER,
            f"{server} closes the connection before the login is done.",
            text=failure.text,
            number=failure.number,
            actions=("Make sure that the port is MySQL's; a proxy in front may have no server behind it.",),
        )
