"""A server that ends while Gunicorn reads its configuration: why, found once more, because Gunicorn only prints it.

Loaded only when it happens. No hook runs there and Gunicorn turns whatever was raised into an exit,
but the frames that were at work when bootcheck was armed tell how far they came.
"""

from __future__ import annotations

import dis
import linecache
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

from bootcheck.model.finding import Evidence, Finding

if TYPE_CHECKING:
    from bootcheck.gunicorn.master import Master


def ended(master: Master, loading: FrameType, file: FrameType | None) -> None:
    """Report the end of a master whose configuration was never read to its end; of any other nothing.

    `loading` is the frame of Gunicorn's `do_load_config`, `file` that of the configuration file.
    """
    if _has_returned(loading):
        return
    application = loading.f_locals.get("self")
    finding, exc = _of_file(file) if file is not None and not _has_returned(file) else _of_values(application, file)
    master.recorder.finding(finding)
    master.not_set_up(exc)


def _has_returned(frame: FrameType) -> bool:
    """Tell whether a frame that is over came to a return: one that was left by an exception stands elsewhere."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith("RETURN")


def _of_file(file: FrameType) -> tuple[Finding, BaseException]:
    name, line = file.f_code.co_filename, file.f_lineno
    where = f"{name}, line {line}"
    return _finding(f"The configuration file raised in {where}", where, linecache.getline(name, line)), SystemExit(1)


def _of_values(application: Any, file: FrameType | None) -> tuple[Finding, BaseException]:
    namespace = file.f_globals if file is not None else {}
    told = "Gunicorn could not use its configuration; it said why just before"
    # Another release may lack what is asked of it here: then it stays untold.
    with suppress(Exception):
        fresh = type(application.cfg)(application.cfg.usage, prog=application.cfg.prog)
        for where, name, value in _values(application, fresh, namespace):
            try:
                fresh.set(name, value)
            except Exception as exc:  # noqa: BLE001 - what it is about
                text = f"{type(exc).__name__}: {exc}"
                return _finding(f"Gunicorn refuses what {where} sets {name} to: {exc}", where, text), _bare(exc)
        if getattr(application, "app_uri", "") is None and not getattr(fresh, "wsgi_app", None):
            told = "No application module was named: neither on the command line nor as wsgi_app"
    return _finding(told, "", ""), SystemExit(1)


def _values(application: Any, fresh: Any, namespace: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield what sets which setting to what, in Gunicorn's order."""
    path = namespace.get("__file__", "the configuration file")
    yield from ((str(path), name.lower(), value) for name, value in namespace.items() if name in fresh.settings)
    parser = fresh.parser()
    environment: list[str] = getattr(application.cfg, "get_cmd_args_from_env", list)()
    for where, words in (("GUNICORN_CMD_ARGS", environment), ("the command line", None)):
        for name, value in vars(parser.parse_args(words)).items():
            if value is not None and name != "args":
                yield where, name.lower(), value


def _bare(exc: Exception) -> Exception:
    """Return an exception without the frame of the look: it begins where Gunicorn's own code does."""
    return exc.with_traceback(exc.__traceback__ and exc.__traceback__.tb_next)


def _finding(summary: str, where: str, text: str) -> Finding:
    return Finding(
        code="BC521",
        summary=summary if summary.endswith(".") else f"{summary}.",
        action=("Correct it and start again; `bootcheck check` reads the configuration without a server.",),
        evidence=(Evidence(source=where, text=text.strip()),) if text.strip() else (),
        confirm="gunicorn --check-config -c FILE APP",
        confidence="high",
    )
