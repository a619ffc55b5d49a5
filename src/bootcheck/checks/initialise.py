"""The one-time initialisation of the app failed.

What it means

BC303: the function that creates tables and seeds data raised, or the database could not be used before or after
it, or it left a connection checked out. One worker runs it for all; the others wait for its result and fail with
its error.

How it looks

Without this check: workers that all run `create_all()` at once and die of `relation already exists`, `duplicate
key value violates unique constraint`, a deadlock; or that hang in it until they are killed together, with no word.

Why it happens

Initialisation stands at the end of the app's factory, so each worker runs it. Or it waits for a lock that another
worker holds, for a table that a migration holds, or for a database that never answers.

What to do

Give the function to bootcheck: `checks.initialise("myapp.database:init_database")`, and do not call it at import.
It takes no argument, or the app. Let it do its writing in one transaction, so that a failure leaves nothing
behind. The evidence is its traceback. A warning says where it wrote and never committed.

How to know it is fixed

In one worker's report the checkpoints `initialisation.connectivity`, `.run`, `.table.<name>`, `.tables`,
`.transaction`, `.returned` and `.health` have passed; in the others `initialisation.shared` names the process that
did it.
"""

from __future__ import annotations

import importlib
import inspect
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

from bootcheck.checks import options
from bootcheck.checks.base import Context, Moment
from bootcheck.checks.initialise_watch import Watch, watching
from bootcheck.checks.models import target
from bootcheck.checks.pool import find
from bootcheck.model.checkpoint import Phase
from bootcheck.model.encode import shorten
from bootcheck.model.errors import OnceFailed
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.probes import engines
from bootcheck.recorder import type_name

RULES: tuple[str, ...] = ("BC303",)

_MAX_TRACEBACK = 4_000


class _Failed(Exception):  # noqa: N818 - carries a finding out of the function that runs once
    def __init__(self, summary: str, cause: Exception) -> None:
        super().__init__(f"{summary} {type_name(cause)}: {cause}")
        self.summary = summary


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialiseCheck:
    """Runs the app's own initialisation once for all workers."""

    name: ClassVar[str] = "initialise"
    moment: ClassVar[Moment] = Moment.WORKER
    phase: ClassVar[Phase] = Phase.INITIALISATION

    function: str | Callable[..., Any]
    label: str = "database"
    seconds: float = 300.0

    def __post_init__(self) -> None:
        """Refuse what can be neither imported nor called."""
        if not callable(self.function):
            target("initialise", "function", self.function)
        options.texts("initialise", "name", (self.label,))
        options.number("initialise", "seconds", self.seconds, least=1)

    @property
    def subject(self) -> str:
        """The name of the work."""
        return self.label

    @property
    def budget(self) -> float:
        """What the work, or the wait for it, may take."""
        return self.seconds

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield what is wrong; every phase is a checkpoint `initialisation.<phase>`."""
        recorder = context.recorder
        try:
            function = self._resolve(context)
            started = time.monotonic()
            once = context.once or _alone
            with recorder.step("initialisation.once", Phase.INITIALISATION, work=self.label) as step:
                did, done = once(f"initialise.{self.label}", lambda: self._do(function, context))
                step.detail(did=did)
        except OnceFailed as exc:
            recorder.failed("initialisation.shared", Phase.INITIALISATION, pid=exc.pid, error=exc.error)
            yield self._elsewhere(exc, context)
            return
        except _Failed as exc:
            yield self._finding(exc, context)
            return
        if not did:
            recorder.passed(
                "initialisation.shared",
                Phase.INITIALISATION,
                pid=done.get("pid"),
                took_ms=done.get("took_ms"),
                waited_ms=round((time.monotonic() - started) * 1000, 1),
            )
        elif done.get("lost"):
            yield self._never_committed(int(done["lost"]))

    def _resolve(self, context: Context) -> Callable[..., Any]:
        given = self.function
        if callable(given):
            return given
        module_name, _, attribute = given.partition(":")
        with context.recorder.step("initialisation.import", Phase.INITIALISATION, function=given) as step:
            try:
                found: Any = importlib.import_module(module_name)
                for part in attribute.split("."):
                    found = getattr(found, part)
            except Exception as exc:
                step.fail(error=type_name(exc))
                summary = f"The initialisation {given} cannot be imported."
                raise _Failed(summary, exc) from exc
            if not callable(found):
                step.fail(type=type(found).__name__)
                summary = f"{given} is no function."
                raise _Failed(summary, TypeError(f"a {type(found).__name__} cannot be called"))
        return found  # type: ignore[no-any-return]

    def _do(self, function: Callable[..., Any], context: Context) -> dict[str, Any]:
        """Connect, count tables, run, count again, connect again; return what the waiting workers are told."""
        started = time.monotonic()
        served = _engines(context)
        usable = self._connect("connectivity", served, context)
        before = _tables(served)
        watch = Watch(context.recorder)
        with context.recorder.step("initialisation.run", Phase.INITIALISATION, work=self.label) as step:
            try:
                with watching(watch), _app_context(context.app):
                    function(*_arguments(function, context.app))
            except Exception as exc:
                step.fail(error=type_name(exc), message=shorten(str(exc), 300))
                summary = f"The initialisation {self.label} failed after {time.monotonic() - started:.1f} s."
                raise _Failed(summary, exc) from exc
        # The function may have made the first engine.
        served = _engines(context)
        created = self._tables(before, served, context)
        self._transaction(watch, context)
        self._returned(served, context)
        # What could be used before must be usable now.
        self._connect("health", usable or served, context)
        took = round((time.monotonic() - started) * 1000, 1)
        return {"pid": os.getpid(), "took_ms": took, "created": created, "lost": watch.lost}

    def _connect(self, which: str, served: list[Any], context: Context) -> list[Any]:
        """Return the engines that can be used; raises if none can, for one of several may be optional."""
        checkpoint = f"initialisation.{which}"
        if not served:
            context.recorder.skipped(checkpoint, Phase.INITIALISATION, "no SQLAlchemy engine can be seen")
            return []
        usable: list[Any] = []
        unusable: dict[str, str] = {}
        with context.recorder.step(checkpoint, Phase.INITIALISATION) as step:
            for engine in served:
                try:
                    _select_one(engine)
                    usable.append(engine)
                except Exception as exc:
                    unusable[engines.label(engine)] = type_name(exc)
                    step.detail(unusable=unusable)
                    if len(unusable) == len(served):
                        step.fail()
                        when = "before" if which == "connectivity" else "after"
                        summary = f"The database {engines.label(engine)} cannot be used {when} the initialisation."
                        raise _Failed(summary, exc) from exc
            step.detail(engines=[engines.label(engine) for engine in usable])
        return usable

    def _tables(self, before: set[str], served: list[Any], context: Context) -> list[str]:
        if not served:
            context.recorder.skipped("initialisation.tables", Phase.INITIALISATION, "no SQLAlchemy engine can be seen")
            return []
        with context.recorder.step("initialisation.tables", Phase.INITIALISATION, before=len(before)) as step:
            after = _tables(served)
            created = sorted(after - before)
            step.detail(after=len(after), created=created[:20])
            if not after:
                step.fail(reason="there is no table after the initialisation")
        return created[:50]

    def _transaction(self, watch: Watch, context: Context) -> None:
        detail = {"written": watch.written, "commits": watch.commits, "rollbacks": watch.rollbacks, "lost": watch.lost}
        record = context.recorder.failed if watch.lost else context.recorder.passed
        record("initialisation.transaction", Phase.INITIALISATION, **detail)

    def _returned(self, served: list[Any], context: Context) -> None:
        held = {engines.label(engine): count for engine in served if (count := _checked_out(engine))}
        record = context.recorder.failed if held else context.recorder.passed
        record("initialisation.returned", Phase.INITIALISATION, held=held)

    def _finding(self, exc: _Failed, context: Context) -> Finding:
        mask = context.recorder.redactor.mask
        cause = exc.__cause__ or exc
        text = mask("".join(traceback.format_exception(type(cause), cause, cause.__traceback__)))
        if len(text) > _MAX_TRACEBACK:
            # The end names the fault.
            text = "[…]\n" + text[-_MAX_TRACEBACK:]
        return Finding(
            code="BC303",
            summary=mask(f"{exc.summary} {type_name(cause)}: {shorten(_first_line(cause), 200)}"),
            action=("Correct what the traceback shows; one transaction around the work leaves nothing half done.",),
            evidence=(Evidence(source=self._name, text=text),),
        )

    def _never_committed(self, lost: int) -> Finding:
        return Finding(
            code="BC303",
            severity=Severity.WARNING,
            summary=f"The initialisation {self.label} wrote with {lost} statement(s) that were never committed.",
            action=("Commit, or write inside `with engine.begin()` or `with Session.begin()`.",),
            evidence=(Evidence(source=self._name, text="rolled back without an error before it"),),
        )

    def _elsewhere(self, exc: OnceFailed, context: Context) -> Finding:
        mask = context.recorder.redactor.mask
        return Finding(
            code="BC303",
            summary=f"The initialisation {self.label} failed in process {exc.pid}, which ran it for all workers.",
            action=(f"Read the report of process {exc.pid}.",),
            evidence=(Evidence(source=f"process {exc.pid}", text=mask(shorten(exc.error, 600))),),
        )

    @property
    def _name(self) -> str:
        return self.function if isinstance(self.function, str) else getattr(self.function, "__qualname__", "function")


def initialise(
    function: str | Callable[..., Any], *, name: str = "database", seconds: float = 300.0
) -> InitialiseCheck:
    """Run a function once for all workers that start together, before any of them is ready.

    Args:
        function: The function, or its path `package.module:function`; it takes no argument, or the app.
            For Flask it runs inside the app's context.
        name: What the work is called; two initialisations need two names.
        seconds: What it may take.
    """
    return InitialiseCheck(function=function, label=name, seconds=seconds)


def _alone(name: str, function: Callable[[], Any]) -> tuple[bool, Any]:
    del name
    return True, function()


def _app_context(app: Any) -> Any:
    """Return Flask's app context, or nothing for other apps."""
    make = getattr(app, "app_context", None)
    return make() if callable(make) and hasattr(app, "extensions") else nullcontext()


def _arguments(function: Callable[..., Any], app: Any) -> tuple[Any, ...]:
    """Return the app for a function that asks for an argument."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return (app,) if any(item.kind in kinds and item.default is inspect.Parameter.empty for item in parameters) else ()


def _engines(context: Context) -> list[Any]:
    """Return the engines that can be used here: an async one would need a loop, which the worker has not yet."""
    found = find(context) if engines.loaded() else []
    return [engine for engine in found if not getattr(engine.dialect, "is_async", False)]


def _select_one(engine: Any) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1 FROM dual" if engine.dialect.name == "oracle" else "SELECT 1")


def _tables(served: list[Any]) -> set[str]:
    """Return the tables of all engines, empty where they cannot be listed."""
    import sqlalchemy

    found: set[str] = set()
    for index, engine in enumerate(served):
        try:
            names = sqlalchemy.inspect(engine).get_table_names()
        except Exception:  # noqa: BLE001, S112 - an async engine, or a dialect that cannot list
            continue
        found.update(f"{index}:{name}" if index else name for name in names)
    return found


def _checked_out(engine: Any) -> int:
    count = getattr(engine.pool, "checkedout", None)
    return int(count()) if callable(count) else 0


def _first_line(exc: BaseException) -> str:
    return str(exc).partition("\n")[0]
