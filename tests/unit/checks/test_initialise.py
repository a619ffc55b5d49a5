"""The one-time initialisation: run once, watched, and failed where its subject breaks."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from bootcheck.checks import initialise as initialise_function  # noqa: F401 - the package binds the function
from bootcheck.checks.base import Moment
from bootcheck.checks.initialise import InitialiseCheck, initialise
from bootcheck.guards.once import Once
from bootcheck.model.errors import CheckOptionError, OnceFailed
from bootcheck.probes import engines
from bootcheck.probes.objects import class_of
from bootcheck.testing import Outcome, Result, Server, run_check
from tests.unit.children import forked


class Base(DeclarativeBase):
    """Of these tests alone."""


class Account(Base):
    """A table with one column that must be unique."""

    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)


class App:
    """What a worker has loaded: an app with an engine."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)


@pytest.fixture
def app(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """An app on an empty SQLite file; other tests' engines are out of sight."""
    made = App(f"sqlite:///{tmp_path}/app.db")
    kind = class_of("sqlalchemy.engine.base", "Engine")
    monkeypatch.setattr(
        engines, "in_sight", lambda app: [one for one in vars(app or object).values() if isinstance(one, kind)]
    )
    yield made
    made.engine.dispose()


def create(app: App) -> None:
    """Create the tables and one row, as an app would."""
    Base.metadata.create_all(app.engine)
    with Session(app.engine) as session, session.begin():
        session.add(Account(id=1))


def details(result: Result) -> dict[str, dict[str, Any]]:
    """Return the last detail of each checkpoint."""
    return {point.name: dict(point.detail) for point in result.checkpoints}


def test_a_run_that_works_passes_every_phase(app):
    """Connectivity, run, each table, the count, the transaction, the pool and the final health."""
    result = run_check(initialise(create), app=app)

    assert result
    for name in ("connectivity", "run", "table.account", "tables", "transaction", "returned", "health", "once"):
        assert result.outcome(f"initialisation.{name}") is Outcome.PASSED, name
    told = details(result)
    assert told["initialisation.tables"] == {"before": 0, "after": 1, "created": ["account"]}
    assert told["initialisation.transaction"]["written"] == 1
    assert told["initialisation.transaction"]["commits"] >= 1
    assert told["initialisation.once"]["did"] is True


def test_the_events_are_let_go_afterwards(app):
    """What the app creates later is no step of ours."""
    result = run_check(initialise(create), app=app)
    before = len(result.checkpoints)
    with app.engine.begin() as connection:
        connection.execute(text("INSERT INTO account VALUES (2)"))

    assert len(result.checkpoints) == before


def test_a_function_by_its_path(app, monkeypatch, tmp_path):
    """It is imported in a step of its own, and may take no argument."""
    (tmp_path / "its_init.py").write_text("ran = []\n\ndef init_database():\n    ran.append(1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    result = run_check(initialise("its_init:init_database"), app=app)

    assert result.outcome("initialisation.import") is Outcome.PASSED
    import its_init

    assert its_init.ran == [1]


def test_a_function_that_raises_is_shown_with_its_traceback(app):
    """BC303 with the frames and the error, and no secret of either."""

    def fail(app: App) -> None:
        password = "hunter22-of-the-tests"
        msg = f"cannot log in: postgresql://app:{password}@db/app"
        raise RuntimeError(msg)

    result = run_check(initialise(fail), app=app)

    assert result.codes == ("BC303",)
    assert result.outcome("initialisation.run") is Outcome.FAILED
    finding = result.findings[0]
    assert "RuntimeError" in finding.summary
    assert "in fail" in finding.evidence[0].text
    everything = json.dumps([finding.as_dict(), [point.as_record() for point in result.checkpoints]])
    assert "hunter22-of-the-tests" not in everything


def test_a_sql_error_shows_no_parameters(app):
    """SQLAlchemy puts the parameters of a failed statement into its text."""
    planted = int("4242" * 3)

    def twice(app: App) -> None:
        Base.metadata.create_all(app.engine)
        with app.engine.begin() as connection:
            for _ in range(2):
                connection.execute(text("INSERT INTO account VALUES (:id)"), {"id": planted})

    result = run_check(initialise(twice), app=app)

    assert result.codes == ("BC303",)
    assert "IntegrityError" in result.findings[0].summary
    assert str(planted) not in json.dumps(result.findings[0].as_dict())


def test_a_table_that_cannot_be_created_is_named_by_its_step(app):
    """The step of the table fails inside the run."""

    def clash(app: App) -> None:
        with app.engine.begin() as connection:
            connection.execute(text("CREATE TABLE account (id INTEGER)"))
            Base.metadata.create_all(connection, checkfirst=False)

    result = run_check(initialise(clash), app=app)

    assert result.codes == ("BC303",)
    assert result.outcome("initialisation.table.account") is Outcome.FAILED


def test_a_database_that_cannot_be_used_stops_it_before_the_run(tmp_path, app):
    """Connectivity comes first: the function does not run."""
    broken = App(f"sqlite:///{tmp_path}/no-such-folder/app.db")
    ran: list[int] = []
    result = run_check(initialise(lambda: ran.append(1)), app=broken)

    assert result.codes == ("BC303",)
    assert result.outcome("initialisation.connectivity") is Outcome.FAILED
    assert ran == []


def test_one_of_several_databases_may_be_down(app, tmp_path):
    """It may be optional: the initialisation runs, and the checkpoint names it."""
    app.optional = create_engine(f"sqlite:///{tmp_path}/no-such-folder/app.db")
    result = run_check(initialise(create), app=app)

    assert result
    assert list(details(result)["initialisation.connectivity"]["unusable"].values()) == [
        "sqlalchemy.exc.OperationalError"
    ]


def test_a_database_that_is_broken_afterwards_is_named(app, tmp_path):
    """The final health check fails."""

    def remove(app: App) -> None:
        create(app)
        app.engine.dispose()
        os.rename(tmp_path / "app.db", tmp_path / "gone")
        os.mkdir(tmp_path / "app.db")

    result = run_check(initialise(remove), app=app)

    assert result.codes == ("BC303",)
    assert result.outcome("initialisation.health") is Outcome.FAILED


def test_no_table_afterwards_is_red(app):
    """The function ran and made nothing, and nothing was there."""
    assert run_check(initialise(lambda: None), app=app).outcome("initialisation.tables") is Outcome.FAILED


def test_what_was_written_and_never_committed_is_a_warning(app):
    """A seed without commit is lost without a word."""

    def forget(app: App) -> None:
        Base.metadata.create_all(app.engine)
        with Session(app.engine) as session:
            session.add(Account(id=1))
            session.flush()

    result = run_check(initialise(forget), app=app)

    assert [(finding.code, finding.severity) for finding in result.findings] == [("BC303", "warning")]
    assert result.outcome("initialisation.transaction") is Outcome.FAILED


def test_a_rollback_after_an_error_is_no_loss(app):
    """Insert, or else it was there already: a usual way to seed."""

    def once_only(app: App) -> None:
        create(app)
        session = Session(app.engine)
        try:
            session.add(Account(id=1))
            session.flush()
        except Exception:  # noqa: BLE001
            session.rollback()
        session.close()

    assert run_check(initialise(once_only), app=app)


def test_a_connection_that_was_kept_is_red(app):
    """It would be missing in the pool for ever."""
    held: list[object] = []

    def keep(app: App) -> None:
        create(app)
        held.append(app.engine.connect())

    result = run_check(initialise(keep), app=app)
    held.pop().close()

    assert result.outcome("initialisation.returned") is Outcome.FAILED


def test_several_processes_do_it_once(app):
    """Those that waited say who did it, and how long it took."""
    once = Once()

    def worker() -> dict[str, Any]:
        app.engine.dispose(close=False)
        result = run_check(initialise(create), app=app, once=once.run)
        return {"codes": result.codes, "details": details(result), "pid": os.getpid()}

    first, _ = forked(worker)
    second, _ = forked(worker)
    once.close()

    assert first["codes"] == second["codes"] == []
    assert "initialisation.run" not in second["details"]
    assert second["details"]["initialisation.shared"]["pid"] == first["pid"]
    assert second["details"]["initialisation.once"]["did"] is False


def test_a_failure_elsewhere_is_everybodys(app):
    """A worker that waited for another one's work fails with its error."""

    def failed_elsewhere(name: str, function: object) -> tuple[bool, Any]:
        raise OnceFailed(name, 77, "OperationalError: no such table, postgresql://app:hunter22-of-the-tests@db/app")

    result = run_check(initialise(create), app=app, once=failed_elsewhere)

    assert result.codes == ("BC303",)
    assert result.outcome("initialisation.shared") is Outcome.FAILED
    assert "77" in result.findings[0].summary
    assert "hunter22-of-the-tests" not in json.dumps(result.findings[0].as_dict())


@pytest.mark.parametrize("path", ["its_no_module:init", "os:no_such_function", "os:sep"])
def test_a_function_that_is_none_is_named(path):
    """No module, no such name, or nothing that can be called."""
    result = run_check(initialise(path))

    assert result.codes == ("BC303",)
    assert result.outcome("initialisation.import") is Outcome.FAILED


def test_flask_runs_inside_its_app_context(monkeypatch):
    """current_app and db.session work, and the context is left again."""
    flask = pytest.importorskip("flask", reason="Flask is not installed")
    monkeypatch.setattr(engines, "in_sight", lambda app: [])
    app = flask.Flask("shop")
    seen: list[str] = []
    server = Server(preload=True)
    assert run_check(initialise(lambda: seen.append(flask.current_app.name)), app=app, server=server)

    assert seen == ["shop"]
    assert not flask.has_app_context()


def test_a_stop_signal_passes_through(app):
    """SystemExit in the middle is nobody's finding."""

    def stopped() -> None:
        raise SystemExit(143)

    with pytest.raises(SystemExit):
        run_check(initialise(stopped), app=app)


def test_options_that_cannot_be_meant_are_refused():
    """At the line that gives them."""
    with pytest.raises(CheckOptionError, match="function"):
        initialise("no colon")
    with pytest.raises(CheckOptionError, match="name"):
        initialise(create, name="")
    assert InitialiseCheck.moment is Moment.WORKER
    assert initialise(create, name="search").subject == "search"
