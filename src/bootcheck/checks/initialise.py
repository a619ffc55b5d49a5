"""The one-time initialisation of the database failed.

What it means

BC303: the function that creates tables and seed data raised, or the database did not answer before or after it.
It runs in one worker only; the others wait for its result and share its failure.

How it looks

Workers boot, the last line speaks of models, then nothing; or `table "users" already exists` and
`duplicate key value violates unique constraint` in all workers but one, because each of them did it.

Why it happens

`create_all()` and seeding stand at the module's top level, so every worker runs them at the same moment; or the
database user may not create tables; or a lock of an earlier, dead start is still held.

What to do

Move the work into a function and declare it: `checks.initialise("myapp.database:init_database")`. Make it safe to
run again (create what is missing, insert what is not there), and do the seeding in one transaction.

How to know it is fixed

The checkpoints `initialisation.run` and `initialisation.health` have passed in one worker;
`initialisation.waited` in the others names the worker that did it.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from bootcheck.checks import options
from bootcheck.checks.base import Context, Moment
from bootcheck.checks.blame import blame
from bootcheck.checks.models import _lookup, _target
from bootcheck.model.checkpoint import Phase
from bootcheck.model.encode import shorten
from bootcheck.model.errors import OnceFailed
from bootcheck.model.finding import Evidence, Finding
from bootcheck.probes import engines
from bootcheck.recorder import type_name

RULES: tuple[str, ...] = ("BC303",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialise:
    """Runs a function in one worker of the server; the others wait for it."""

    name: ClassVar[str] = "initialise"
    moment: ClassVar[Moment] = Moment.WORKER
    phase: ClassVar[Phase] = Phase.INITIALISATION

    target: str
    label: str = "database"

    def __post_init__(self) -> None:
        """Refuse a target that is no `module:function`."""
        _target("initialise", self.target)
        if not self.label:
            options.refuse("initialise", "name", f"is {self.label!r}", "Give a short name, for example 'database'.")

    @property
    def subject(self) -> str:
        """The function."""
        return self.target

    @property
    def budget(self) -> float:
        """Unused: this check runs in the worker."""
        return 300.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Do it or wait for it; yield why it failed."""
        recorder = context.recorder
        function = _lookup(self.target)
        if not callable(function):
            recorder.failed("initialisation.target", self.phase, target=self.target)
            yield self._failed(context, f"{self.target} does not exist or is not callable", None)
            return
        recorder.passed("initialisation.target", self.phase, target=self.target)
        started = time.perf_counter()
        try:
            here, value = self._once(context, lambda: self._do(context, function))
        except OnceFailed as exc:
            recorder.failed("initialisation.waited", self.phase, error=str(exc))
            yield self._failed(context, str(exc), exc)
            return
        except Exception as exc:  # noqa: BLE001 - the user's function may raise anything
            yield self._failed(context, f"{type_name(exc)}: {exc}", exc)
            return
        if here:
            recorder.passed("initialisation.alone", self.phase, pid=os.getpid())
        else:
            waited = round((time.perf_counter() - started) * 1000, 1)
            done_by = value.get("pid") if isinstance(value, dict) else None
            recorder.passed("initialisation.waited", self.phase, done_by_pid=done_by, waited_ms=waited)
        yield from self._health(context)

    def _once(self, context: Context, function: Callable[[], Any]) -> tuple[bool, Any]:
        if context.once is None:
            return True, function()
        return context.once(f"initialise:{self.label}", function)

    def _do(self, context: Context, function: Callable[..., Any]) -> dict[str, Any]:
        """Ask the database, run the function, count what it made; return what the others get to know."""
        recorder = context.recorder
        used = engines.in_modules()
        with recorder.step("initialisation.connect", self.phase, engines=len(used)):
            for engine in used:
                _ask(engine)
        before = _tables(used)
        with recorder.step("initialisation.run", self.phase, target=self.target):
            if _wants_app(function):
                function(context.app)
            else:
                function()
        with recorder.step("initialisation.tables", self.phase) as step:
            after = _tables(used)
            step.detail(before=len(before), after=len(after), created=sorted(after - before)[:50])
        return {"pid": os.getpid(), "tables": len(after)}

    def _health(self, context: Context) -> Iterator[Finding]:
        used = engines.in_modules()
        if not used:
            context.recorder.skipped("initialisation.health", self.phase, "no SQLAlchemy engine in a module's globals")
            return
        try:
            with context.recorder.step("initialisation.health", self.phase, engines=len(used)):
                for engine in used:
                    _ask(engine)
        except Exception as exc:  # noqa: BLE001 - a driver may raise anything
            yield self._failed(context, f"the database does not answer afterwards: {type_name(exc)}: {exc}", exc)

    def _failed(self, context: Context, text: str, exc: BaseException | None) -> Finding:
        masked = shorten(context.recorder.redactor.mask(text), 600)
        place = (blame(exc.__traceback__) if exc is not None else None) or (self.target, None)
        return Finding(
            code="BC303",
            summary=f"The initialisation {self.target} failed: {(masked.splitlines() or ['no reason given'])[0]}",
            action=(
                "Read the evidence; run the function alone once the cause is mended.",
                "Make it safe to run again: create what is missing, seed in one transaction.",
            ),
            evidence=(Evidence(source=place[0], line=place[1], text=masked),),
            confirm=f"python -c 'from {self.target.replace(':', ' import ')} as run; run()'",
        )


def initialise(target: str, *, name: str = "database") -> Initialise:
    """Run a function exactly once although all workers start together.

    One worker runs it, the others wait for its result or its failure. A worker that dies in the
    middle is succeeded by the next one.

    Args:
        target: "module:function"; it is called with the app if it has a required parameter, else without.
        name: tells several initialisations of one server apart.
    """
    return Initialise(target=target, label=name)


def _ask(engine: Any) -> None:
    text = importlib.import_module("sqlalchemy").text
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def _tables(used: list[Any]) -> set[str]:
    sqlalchemy = sys.modules.get("sqlalchemy")
    if sqlalchemy is None:
        return set()
    return {table for engine in used for table in sqlalchemy.inspect(engine).get_table_names()}


def _wants_app(function: Callable[..., Any]) -> bool:
    """Tell whether the function has a required parameter."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(
        parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        for parameter in parameters
    )
