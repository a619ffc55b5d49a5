"""What tests share: servers that are stopped and judged when the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.integration.harness import FULL, WIDE, Interpreter, Server, interpreter, interpreters

# No judgement of time in a test by properties: machines under test are slow.
settings.register_profile(
    "steady",
    max_examples=100 if FULL else 25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("steady")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `python` once per interpreter under test."""
    if "python" in metafunc.fixturenames:
        paths = interpreters()
        ids = [interpreter(path).label for path in paths] if len(paths) > 1 else ["here"]
        metafunc.parametrize("python", paths, ids=ids, indirect=True, scope="session")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the rest of a product to the wide or the full run; begin with what starts servers, the longest first.

    At the end short tests then keep every core busy.
    """
    left = {"full": not FULL, "wide": not WIDE}
    rest = [item for item in items if any(left.get(mark.name) for mark in item.iter_markers())]
    if rest:
        config.hook.pytest_deselected(items=rest)
        gone = set(rest)
        items[:] = [item for item in items if item not in gone]
    items.sort(key=lambda item: ("integration" not in item.path.parts, item.path.name != "test_matrix.py"))


@pytest.fixture(scope="session")
def python(request: pytest.FixtureRequest) -> Interpreter:
    """An interpreter with its Gunicorn."""
    return interpreter(request.param)


@pytest.fixture
def serve(tmp_path: Path, python: Interpreter) -> Iterator[Callable[..., Server]]:
    """Start servers that are stopped, and judged, at the end of the test.

    A worker class that this interpreter lacks skips the test.
    """
    with ExitStack() as stack:
        count = 0

        def start(*, run: bool = True, **options: Any) -> Server:
            nonlocal count
            why = python.lacks(options.get("worker_class", "sync"))
            if why is not None:
                pytest.skip(why)
            home = options.pop("home", tmp_path / f"server{count or ''}")
            count += 1
            server = Server(home, python, **options)
            stack.callback(server.finish)
            return server.start() if run else server

        yield start
