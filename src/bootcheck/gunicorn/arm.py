"""Arming: what happens when the configuration file is executed, before everything else.

    # at the end of gunicorn.conf.py or bootcheck.conf.py
    import bootcheck

    bootcheck.arm(globals())

Armed once per process image: a reload executes the file again, then only the declared checks
are taken anew.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bootcheck.gunicorn import chain, hooks, seams
from bootcheck.probes import black_box
from bootcheck.settings import Settings, disabled
from bootcheck.sinks.stderr import say

if TYPE_CHECKING:
    from types import FrameType, ModuleType

    from bootcheck.checks.base import Check
    from bootcheck.guards.warmup import Warmup
    from bootcheck.gunicorn.master import Master
    from bootcheck.sinks.base import Sink

_master: Master | None = None


def arm(  # noqa: PLR0913 - options by keyword, each with its default
    namespace: MutableMapping[str, Any] | None = None,
    *,
    checks: Sequence[Check] = (),
    sinks: Sequence[Sink] = (),
    exit_codes: Mapping[int, int] | None = None,
    deadlines: Mapping[str, float] | None = None,
    warmups: Sequence[Warmup] = (),
    warm_at_once: int | None = None,
    reseed: bool = False,
    termination_log: str | None = None,
    safe_reload: bool | float = False,
    environ: MutableMapping[str, str] = os.environ,
) -> None:
    """Arm this Gunicorn: call it at the end of its configuration file with `globals()`.

    `checks` are declared: an error of one stops the start. `sinks` get every checkpoint as well.
    `exit_codes` replaces the codes of a refused start, for example `{69: 1}`.
    `deadlines` gives steps of a worker's boot so many seconds, for example `{"app.load": 90}`: a
    worker over one is reported with its stack and ended. BOOTCHECK_BOOT_DEADLINE is for the whole.
    `warmups` are loaded before a worker is ready: `[warmup("model", "myapp.models:load")]`; so many
    workers as `warm_at_once` says do that at the same time, the others wait for their turn.
    `reseed=True` gives each worker of a preloaded app random numbers of its own: numpy's global
    generator, and generators that modules keep, are seeded anew after the fork.
    `termination_log` is the file of Kubernetes' termination message where `terminationMessagePath` is
    set; in a pod /dev/termination-log is found without it.
    `safe_reload`: on HUP the new app is loaded in a child first, and where it cannot boot the old
    workers serve on; a number is how many seconds that load may take. Taken at the start, not on HUP.
    Hooks that the file defines still run. Does nothing with `BOOTCHECK_DISABLE=1` and for
    `--check-config` or `--print-config`. Ends the process with 78 where a `BOOTCHECK_*` variable
    is wrong, saying which one.
    """
    if disabled(environ) or _only_looking(namespace, environ):
        return
    if not sys.platform.startswith("linux"):
        say("bootcheck: diagnosing a running server needs Linux; this server runs without it.")
        return
    for check in checks:
        if not hasattr(check, "run"):
            from bootcheck.model.errors import CheckOptionError

            msg = f"checks=[...] holds {check!r}, which is no check. Write for example checks.env('SECRET_KEY')."
            raise CheckOptionError(msg)
    _judge_deadlines(deadlines or {})
    warming = _warming(warmups, warm_at_once)
    _judge_safe_reload(safe_reload)
    armed_before = _master is not None
    master = _armed(sinks, environ)
    if master is None:
        return
    if not armed_before:
        _watch_configuration(master, sys._getframe(1), namespace)  # noqa: SLF001 - the documented way to the caller
    if checks or namespace is not None:
        master.declare(checks, exit_codes, deadlines)
        master.reseed = reseed
        master.termination_log = termination_log
        _offer_safe_reload(master, safe_reload)
    if warming is not None:
        warming.declare(warmups, warm_at_once)
    if namespace is not None:
        _export(namespace, master)


def _warming(warmups: Sequence[Warmup], at_once: int | None) -> ModuleType | None:
    """Return what warms up, loaded where this file declares it, or the one that a reload replaces did."""
    if not warmups and at_once is None:
        return sys.modules.get("bootcheck.gunicorn.warming")
    from bootcheck.gunicorn import warming

    warming.judge(warmups, at_once)
    return warming


def _offer_safe_reload(master: Master, wanted: bool | float) -> None:  # noqa: FBT001 - as arm() takes it
    # HUP executes the file again, in the master and in the child that tries it.
    if wanted and not master.ready:
        from bootcheck.gunicorn.safe_reload import SafeReload

        master.companions.append(SafeReload(master, 0.0 if wanted is True else float(wanted)).begin)


def _judge_safe_reload(wanted: object) -> None:
    if not isinstance(wanted, (bool, int, float)) or not 0 <= wanted < float("inf"):
        from bootcheck.model.errors import CheckOptionError

        msg = f"safe_reload is {wanted!r}. Write safe_reload=True, or how many seconds the load may take."
        raise CheckOptionError(msg)


def _judge_deadlines(deadlines: Mapping[Any, Any]) -> None:
    for step, seconds in deadlines.items():
        number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        if not isinstance(step, str) or not number or not 0 < seconds < float("inf"):
            from bootcheck.model.errors import CheckOptionError

            example = "deadlines={'app.load': 90}"
            msg = f"deadlines holds {step!r}: {seconds!r}. Write names of steps and seconds: {example}."
            raise CheckOptionError(msg)


def armed() -> Master | None:
    """Return the armed master of this process image, or None."""
    return _master


def install(cfg: Any) -> None:
    """Chain the hooks into a configuration (used where there is no configuration file of ours)."""
    if _master is not None:
        # It was read, and nobody asks any more how far its frames came.
        _master.last_look = _nothing
        _master.install(cfg)


def not_read(namespace: MutableMapping[str, Any], exc: BaseException) -> None:
    """Report that the configuration file could not be executed; one that ends well, or at a reload, is none."""
    with suppress(SystemExit):
        arm(namespace)
        if _master is not None:
            _master.not_set_up(exc)


def _watch_configuration(master: Master, caller: FrameType, namespace: MutableMapping[str, Any] | None) -> None:
    """Where Gunicorn reads its configuration right now, have an end of that reported: no hook of it runs so early."""
    frame: FrameType | None = caller
    file: FrameType | None = None
    while frame is not None and (frame.f_code.co_name, frame.f_globals.get("__name__")) != seams.READS_CONFIG:
        if file is None and frame.f_globals is namespace:
            file = frame
        frame = frame.f_back
    if frame is None:
        return
    loading = frame

    def look() -> None:
        from bootcheck.gunicorn.configuring import ended

        ended(master, loading, file)

    master.last_look = look


def _armed(sinks: Sequence[Sink], environ: MutableMapping[str, str]) -> Master | None:
    if _master is not None:
        return _master
    try:
        settings = Settings.from_environ(environ)
    except ValueError as exc:
        for line in str(exc).splitlines():
            say(f"bootcheck: {line}")
        from bootcheck.model.codes import EX_CONFIG

        raise SystemExit(EX_CONFIG) from exc
    return _begin(settings, sinks, environ)


def _begin(settings: Settings, sinks: Sequence[Sink], environ: MutableMapping[str, str]) -> Master | None:
    from bootcheck.gunicorn.master import Master

    try:
        master = Master(settings, environ, sinks)
        master.arm()
        if environ.get("NOTIFY_SOCKET"):
            from bootcheck.gunicorn.systemd import Notifier

            chain.quietly(Notifier(master, environ).arm)()
    except Exception as exc:  # noqa: BLE001 - a guest never breaks the house
        chain.complain("arming", exc)
        return None
    globals()["_master"] = master
    black_box.server = black_box.make(black_box.BOARD)
    black_box.on_use = chain.quietly(_use_board)
    if settings.probe_bind is not None:
        black_box.on_use()
    seams.on_setup(install, chain.quietly(master.not_set_up))
    return master


def _use_board() -> Any:
    """Return the board of this server, kept in this process from now on; None where there is no memory for it."""
    if _master is None or black_box.server is None:
        return None
    if _master.board is None:
        from bootcheck.gunicorn.board import Keeper

        _master.board = Keeper(_master)
    return _master.board.board


def _export(namespace: MutableMapping[str, Any], master: Master) -> None:
    """Leave `nworkers_changed` in the file's namespace: the public way to the Arbiter."""
    current: Callable[..., Any] | None = namespace.get("nworkers_changed")
    if not getattr(current, "bootcheck_owned", False):
        make = hooks.table(master)["nworkers_changed"]
        namespace["nworkers_changed"] = chain.plain("nworkers_changed", make(current or _nothing))


def _nothing(*args: Any) -> None:  # noqa: ARG001
    return None


def _only_looking(namespace: MutableMapping[str, Any] | None, environ: MutableMapping[str, str]) -> bool:
    """Tell whether Gunicorn will only check or print its configuration."""
    words = [*sys.argv[1:], *environ.get("GUNICORN_CMD_ARGS", "").split()]
    if any(word in ("--check-config", "--print-config") for word in words):
        return True
    return namespace is not None and bool(namespace.get("check_config") or namespace.get("print_config"))
