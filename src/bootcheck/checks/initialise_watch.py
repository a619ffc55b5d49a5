"""What an initialisation does to the database, seen through SQLAlchemy's events while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bootcheck.model.checkpoint import Phase
from bootcheck.probes import engines
from bootcheck.recorder import Recorder, Step

_WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE")


@dataclass(slots=True)
class Watch:
    """Makes each table that is created a step, and counts what is written, committed and lost.

    Does nothing where the app has not loaded SQLAlchemy.
    """

    recorder: Recorder
    written: int = 0
    commits: int = 0
    rollbacks: int = 0
    lost: int = 0
    """Statements that wrote, and were rolled back although nothing had failed."""
    _steps: dict[int, Step] = field(default_factory=dict)
    _dirty: dict[int, int] = field(default_factory=dict)
    """Statements that wrote since the last commit, by connection."""
    _listening: list[tuple[Any, str, Any]] = field(default_factory=list)

    def start(self) -> None:
        """Listen, where there is something to listen to."""
        if not engines.loaded():
            return
        import sqlalchemy
        from sqlalchemy import event

        wanted: list[tuple[Any, str, Callable[..., Any]]] = [
            (sqlalchemy.Table, "before_create", self._before_create),
            (sqlalchemy.Table, "after_create", self._after_create),
            (sqlalchemy.engine.Engine, "after_cursor_execute", self._after_execute),
            (sqlalchemy.engine.Engine, "handle_error", self._on_error),
            (sqlalchemy.engine.Engine, "commit", self._on_commit),
            (sqlalchemy.engine.Engine, "rollback", self._on_rollback),
        ]
        for target, name, function in wanted:
            event.listen(target, name, function)
            self._listening.append((target, name, function))

    def stop(self, exc: BaseException | None = None) -> None:
        """Listen no more, and close the step of a table whose creation raised."""
        if self._listening:
            from sqlalchemy import event

            for target, name, function in self._listening:
                event.remove(target, name, function)
            self._listening.clear()
        for step in self._steps.values():
            step.__exit__(None if exc is None else type(exc), exc, None)
        self._steps.clear()

    def _before_create(self, table: Any, connection: Any, **more: Any) -> None:
        del connection, more
        # A step, not a checkpoint: a CREATE TABLE that waits for a lock is named by the report.
        step = self.recorder.step(f"initialisation.table.{table.name}", Phase.INITIALISATION)
        self._steps[id(table)] = step.__enter__()

    def _after_create(self, table: Any, connection: Any, **more: Any) -> None:
        del connection, more
        step = self._steps.pop(id(table), None)
        if step is not None:
            step.__exit__(None, None, None)

    def _after_execute(self, connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        del cursor, more
        if statement.lstrip()[:8].upper().startswith(_WRITES):
            self.written += 1
            key = _key(connection)
            self._dirty[key] = self._dirty.get(key, 0) + 1

    def _on_error(self, context: Any) -> None:
        connection = context.connection
        if connection is not None:
            # What comes now is a rollback with a reason.
            self._dirty.pop(_key(connection), None)

    def _on_commit(self, connection: Any) -> None:
        self.commits += 1
        self._dirty.pop(_key(connection), None)

    def _on_rollback(self, connection: Any) -> None:
        self.rollbacks += 1
        self.lost += self._dirty.pop(_key(connection), 0)


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Watch for the length of a block."""
    watch.start()
    try:
        yield watch
    except BaseException as exc:
        watch.stop(exc)
        raise
    watch.stop()


def _key(connection: Any) -> int:
    try:
        return id(connection.connection.dbapi_connection)
    except Exception:  # noqa: BLE001 - an invalidated connection has none
        return 0
