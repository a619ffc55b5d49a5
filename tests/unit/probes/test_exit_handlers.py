"""Functions that run at the end of a process: how many are the app's, and who may have registered them."""

from __future__ import annotations

from bootcheck.probes import exit_handlers
from tests.unit.children import interpreter

COUNT = """
import sys, {modules}
from bootcheck.probes import exit_handlers
print(exit_handlers.of_others(exit_handlers.count(), 0), exit_handlers.users())
"""


def test_the_standard_librarys_own_are_not_the_apps():
    """logging, weakref and multiprocessing register one each, whenever they are loaded."""
    modules = "logging, logging.config, multiprocessing.util, concurrent.futures, concurrent.futures.process, asyncio"
    done = interpreter(COUNT.format(modules=f"{modules}, tempfile, ssl, ctypes\nd = tempfile.TemporaryDirectory()"))

    assert done.stdout == "0 []\n", done.stderr


def test_the_apps_are_counted_and_their_modules_named():
    """A module that has `atexit`, or its `register`, among its globals."""
    done = interpreter(
        COUNT.format(
            modules="types\n"
            "for name, text in (('one', 'import atexit; atexit.register(int)'), "
            "('two', 'from atexit import register; register(int)'), ('three', '')):\n"
            "    module = sys.modules[name] = types.ModuleType(name)\n"
            "    exec(text, vars(module))\n"
        )
    )

    assert done.stdout == "2 ['one', 'two']\n", done.stderr


def test_a_python_that_does_not_say_is_not_guessed_at(monkeypatch):
    """None, not zero."""
    monkeypatch.delattr(exit_handlers.atexit, "_ncallbacks")

    assert exit_handlers.count() is None
