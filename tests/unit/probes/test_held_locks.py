"""Locks that another thread holds: in globals, classes and one step into objects."""

from __future__ import annotations

import queue
import sys
import threading
import types
from collections.abc import Iterator

import pytest

from bootcheck.marks import fork_safe
from bootcheck.probes import held_locks


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module of an app."""
    module = types.ModuleType("shop.stock")
    monkeypatch.setitem(sys.modules, "shop.stock", module)
    return module


@pytest.fixture
def holder() -> Iterator[object]:
    """A thread that takes locks and keeps them."""
    ready, stop, locks = threading.Event(), threading.Event(), []

    def hold() -> None:
        for lock in locks:
            lock.acquire()
        ready.set()
        stop.wait()
        for lock in locks:
            lock.release()

    thread = threading.Thread(target=hold, daemon=True)

    def take(*wanted: object) -> threading.Thread:
        locks.extend(wanted)
        thread.start()
        ready.wait()
        return thread

    yield take
    stop.set()
    thread.join()


def names() -> dict[str, dict[str, object]]:
    """Return what is found in the app's module."""
    return {found["name"]: found for found in held_locks.held() if found["name"].startswith("shop.")}


def test_locks_that_another_thread_holds_are_found_where_they_stand(shop, holder):
    """A global, a class's, an object's, a queue's; an RLock names its holder."""

    class Cache:
        lock = threading.RLock()

        def __init__(self) -> None:
            self.mine = threading.Lock()

    Cache.__module__ = "shop.stock"
    shop.LOCK, shop.Cache, shop.CACHE, shop.QUEUE, shop.FREE = (
        threading.Lock(),
        Cache,
        Cache(),
        queue.Queue(),
        threading.Lock(),
    )
    thread = holder(shop.LOCK, Cache.lock, shop.CACHE.mine, shop.QUEUE.mutex)
    found = names()

    assert set(found) == {
        "shop.stock.LOCK",
        "shop.stock.Cache.lock",
        "shop.stock.CACHE.mine",
        "shop.stock.QUEUE.mutex",
    }
    assert found["shop.stock.Cache.lock"]["holder"] == thread.ident
    assert found["shop.stock.LOCK"]["holder"] is None


def test_what_this_thread_holds_or_the_app_has_marked_is_none(shop, holder):
    """This thread lives on in the worker, and its RLock with it; a marked lock is meant."""
    shop.MINE, shop.MARKED = threading.RLock(), fork_safe(threading.Lock())
    holder(shop.MARKED)
    with shop.MINE:
        assert names() == {}


def test_a_running_thread_in_a_global_is_no_held_lock(shop, holder):
    """Up to Python 3.12 it has a lock that is held as long as it runs."""
    shop.THREAD = holder()

    assert names() == {}


def test_what_is_held_for_a_moment_is_none(shop, monkeypatch):
    """It is looked at twice."""
    shop.LOCK = threading.Lock()
    shop.LOCK.acquire()
    monkeypatch.setattr(held_locks.time, "sleep", lambda seconds: shop.LOCK.release())

    assert names() == {}
