"""Engines and connections found without running anybody's code."""

from __future__ import annotations

import gc
import sys
import types

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import scoped_session, sessionmaker
from sqlalchemy.pool import StaticPool

from bootcheck.probes import engines
from bootcheck.probes.heap import collect
from tests.unit.children import interpreter


class Lazy:
    """An object that must not be touched: frameworks have many of them."""

    @property
    def __class__(self) -> type:  # type: ignore[override]
        """Raise, as a lazy object that resolves itself would run code."""
        msg = "a scan of the heap ran user code"
        raise AssertionError(msg)

    def __getattr__(self, name: str) -> object:
        """Raise for every other attribute."""
        raise AssertionError(name)


def test_an_engine_and_its_connections_are_found_on_the_heap():
    """Wherever they are held."""
    hidden = [{"deep": (create_engine("sqlite://"),)}]
    engine = hidden[0]["deep"][0]
    with engine.connect() as connection:
        found = collect((engines.ENGINE, engines.CONNECTION, engines.RECORD))

        assert any(one is engine for one in engines.on_heap())
        assert any(one is engine for one in found[engines.ENGINE])
        assert any(one is connection for one in found[engines.CONNECTION])
        record = next(one for one in found[engines.RECORD] if engines.pool_of(one) is engine.pool)
        assert engines.checked_out(record)
        assert engines.dbapi_of(record) is connection.connection.dbapi_connection
    assert not engines.checked_out(record)
    engine.dispose()


def test_a_lazy_object_is_not_woken():
    """`isinstance` would ask it for its class; `type` does not."""
    lazy = Lazy()
    held = [lazy]
    module = types.ModuleType("its_lazy_module")
    module.lazy = lazy
    sys.modules["its_lazy_module"] = module
    try:
        engines.on_heap()
        engines.in_sight()
    finally:
        del sys.modules["its_lazy_module"]
    assert held


def test_frozen_objects_are_found_and_stay_frozen():
    """An app may have called gc.freeze() before its fork."""
    engine = create_engine("sqlite://")
    gc.freeze()
    try:
        found = engines.on_heap()

        assert any(one is engine for one in found)
        assert gc.get_freeze_count() > 0
        assert gc.isenabled()
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("hold", ["global", "sessionmaker", "scoped_session", "app", "extension", "state"])
def test_an_engine_in_sight_is_found_where_apps_keep_it(hold):
    """In a module's globals, behind a session factory, on the app, in Flask's extensions, in Starlette's state."""
    engine = create_engine("sqlite://")
    module, app = types.ModuleType("its_module"), types.SimpleNamespace()
    if hold == "global":
        module.db = engine
    elif hold == "sessionmaker":
        module.factory = sessionmaker(engine)
    elif hold == "scoped_session":
        module.session = scoped_session(sessionmaker(engine))
    elif hold == "app":
        app.engine = engine
    elif hold == "extension":
        app.extensions = {"database": engine}
    else:
        app.state = types.SimpleNamespace(_state={"engine": engine})
    sys.modules["its_module"] = module
    try:
        assert any(one is engine for one in engines.in_sight(app))
    finally:
        del sys.modules["its_module"]


def test_flask_sqlalchemys_engines_are_in_sight():
    """Without an app context, which its public face demands."""
    flask = pytest.importorskip("flask", reason="Flask is not installed")
    extension = pytest.importorskip("flask_sqlalchemy", reason="Flask-SQLAlchemy is not installed")
    app = flask.Flask("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db = extension.SQLAlchemy(app)
    with app.app_context():
        engine = db.engine

    assert any(one is engine for one in engines.in_sight(app))


def test_data_in_memory_are_told_from_a_file(tmp_path):
    """To dispose of the first would lose them."""
    for url in ("sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&cache=shared&uri=true"):
        assert engines.in_memory(create_engine(url, poolclass=StaticPool))
    assert not engines.in_memory(create_engine(f"sqlite:///{tmp_path}/app.db"))


def test_a_label_hides_the_password():
    """Also one in the query."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    label = engines.label(create_engine("postgresql+psycopg://app:hunter22@db/app?sslpassword=hunter33"))

    assert "hunter22" not in label
    assert "hunter33" not in label
    assert "app:***@db" in label


@pytest.mark.parametrize("path", [("fileno",), ("_sock", "fileno"), ("_connection", "_sock", "fileno")])
def test_a_descriptor_is_found_where_drivers_keep_it(path):
    """On the connection, on its socket, or behind SQLAlchemy's adapter."""
    connection: object = lambda: 42  # noqa: E731
    for name in reversed(path):
        connection = types.SimpleNamespace(**{name: connection})

    assert engines.fileno_of(connection) == 42


def test_a_descriptor_that_a_driver_does_not_tell_is_none():
    """A closed connection raises, another has none."""

    def closed() -> int:
        msg = "the connection is closed"
        raise OSError(msg)

    assert engines.fileno_of(types.SimpleNamespace(fileno=closed)) is None
    assert engines.fileno_of(object()) is None
    assert engines.fileno_of(None) is None


def test_nothing_is_imported():
    """A process without SQLAlchemy has no engine, and does not get SQLAlchemy."""
    done = interpreter(
        "import sys\nfrom bootcheck.probes import engines\n"
        "print(engines.loaded(), engines.on_heap(), engines.in_sight(), 'sqlalchemy' in sys.modules)"
    )

    assert done.stdout.strip() == "False [] [] False", done.stderr
