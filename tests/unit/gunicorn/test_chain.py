"""Our hooks around the user's, in Gunicorn's own configuration object."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from gunicorn.config import Config

from bootcheck.gunicorn import chain
from bootcheck.model.errors import CheckOptionError

HOOKS = sorted(chain.ARITY)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was said yet."""
    monkeypatch.setattr(chain, "_said", set())


def around(calls: list[Any], before: str = "ours") -> Any:
    """Return the maker of a hook that notes itself, then calls the user's."""

    def make(user: Any) -> Any:
        def hook(*args: Any) -> None:
            calls.append((before, args))
            user(*args)

        return hook

    return make


def theirs(name: str, calls: list[Any]) -> Any:
    """Return a user's hook with the number of parameters that Gunicorn demands."""
    bodies = {
        1: lambda a: calls.append(("theirs", (a,))),
        2: lambda a, b: calls.append(("theirs", (a, b))),
        3: lambda a, b, c: calls.append(("theirs", (a, b, c))),
    }
    return bodies[chain.ARITY[name]]


@pytest.mark.parametrize("name", HOOKS)
def test_gunicorn_takes_our_hook_and_the_users_still_runs(name: str):
    """The number of parameters is the one that Gunicorn checks, the arguments pass through."""
    cfg, calls = Config(), []
    if name not in cfg.settings:
        pytest.skip("this Gunicorn has no such hook")
    cfg.set(name, theirs(name, calls))
    chain.install(cfg, {name: around(calls)})

    arguments = tuple(range(chain.ARITY[name]))
    hook = cfg.settings[name].get()
    hook(*arguments)
    assert calls == [("ours", arguments), ("theirs", arguments)]
    assert len(inspect.signature(hook).parameters) == chain.ARITY[name]


@pytest.mark.parametrize("name", HOOKS)
def test_the_arity_is_that_of_the_installed_gunicorn(name: str):
    """Its own default hook has as many parameters."""
    if name not in Config().settings:
        pytest.skip("this Gunicorn has no such hook")
    assert len(inspect.signature(Config().settings[name].get()).parameters) == chain.ARITY[name]


def test_installing_twice_chains_once():
    """`nworkers_changed` fires again on HUP and TTIN."""
    cfg, calls = Config(), []
    for _ in range(3):
        chain.install(cfg, {"when_ready": around(calls)})

    cfg.when_ready(None)
    assert calls == [("ours", (None,))]
    assert cfg.settings["when_ready"].get().bootcheck_owned


def test_a_new_configuration_is_chained_anew():
    """HUP reads the file again: the user's hooks may have changed."""
    calls: list[Any] = []
    for round_ in range(2):
        cfg = Config()
        cfg.set("on_exit", theirs("on_exit", calls))
        chain.install(cfg, {"on_exit": around(calls)})
        cfg.on_exit(round_)

    assert calls == [("ours", (0,)), ("theirs", (0,)), ("ours", (1,)), ("theirs", (1,))]


def test_a_hook_that_this_gunicorn_does_not_have_is_left_out():
    """An older or a newer one."""
    cfg = Config()
    del cfg.settings["worker_abort"]
    chain.install(cfg, {"worker_abort": around([])})

    assert "worker_abort" not in cfg.settings


def test_a_hook_of_a_file_without_one_bears_the_mark():
    """`arm(globals())` knows its own on a reload."""
    hook = chain.plain("nworkers_changed", lambda *args: args)

    assert hook.bootcheck_owned  # type: ignore[attr-defined]
    assert hook(1, 2, 3) is None or hook(1, 2, 3) == (1, 2, 3)
    cfg = Config()
    cfg.set("nworkers_changed", hook)


def test_what_the_users_hook_raises_goes_on():
    """It is the user's to decide that a start fails."""
    cfg = Config()

    def refuse(server: Any) -> None:
        raise LookupError(server)

    cfg.set("on_starting", refuse)
    chain.install(cfg, {"on_starting": around([])})

    with pytest.raises(LookupError):
        cfg.on_starting(1)


def test_an_error_of_ours_stays_ours_and_is_said_once(capfd: pytest.CaptureFixture[str]):
    """Once per place and kind of error; the server goes on."""

    def broken(kind: type[Exception]) -> None:
        message = "inside bootcheck"
        raise kind(message)

    guarded = chain.quietly(broken)
    assert [guarded(kind) for kind in (KeyError, KeyError, ValueError)] == [None, None, None]
    lines = capfd.readouterr().err.splitlines()
    assert [line.split(";")[0] for line in lines] == [
        "bootcheck: broken failed (KeyError: 'inside bootcheck')",
        "bootcheck: broken failed (ValueError: inside bootcheck)",
    ]


@pytest.mark.parametrize("raised", [SystemExit(78), KeyboardInterrupt(), CheckOptionError("what, where, next step")])
def test_what_ends_a_start_on_purpose_passes(raised: BaseException):
    """SystemExit is how a start is stopped; an error with a name is the user's to read."""

    def stop() -> None:
        raise raised

    with pytest.raises(type(raised)) as caught:
        chain.quietly(stop)()
    assert caught.value is raised


def test_what_a_guarded_function_returns_comes_back():
    """The receiver's answer changes what Gunicorn sees."""
    assert chain.quietly(lambda a, b: a + b)(1, 2) == 3
