"""See what bootcheck says of a server that fails on purpose.

    bootcheck demo
    bootcheck demo segfault

A small app that fails in the chosen WAY is started under Gunicorn in a temporary
directory, on a free port of 127.0.0.1. Its own output is shown as it comes, then
what `bootcheck analyze` makes of the reports it left. Nothing of yours is touched.

    variable   an environment variable that the app needs is not set
    exception  the import raises, two calls deep
    exit       a settings module calls sys.exit(0): a log without a reason
    segfault   native code crashes in the import
    hang       the import waits for ever, and its deadline passes

Exit codes: 0 it was told as it should be, 1 it was not, 2 it could not be tried.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from bootcheck.model.errors import BootcheckError

NAME = "demo"
HELP = "see what it says of a server that fails on purpose"
PATIENCE_S = 20.0
"""For a server that is told to stop."""
_CUT = 100
"""Characters of a line of the server that are shown: a report line is for machines."""

_UNSET = ("SHOP_DATABASE_URL", "DATABASE_URL", "SECRET_KEY", "PORT", "WEB_CONCURRENCY")
"""What the server would make something of, if it is set here."""

_CONFIG = """\
from bootcheck import arm, checks

wsgi_app = "app:app"
bind = "127.0.0.1:0"
arm(globals(), {options})
"""
_APP = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to fail: what the app does in its import, and the cause that its report must name."""

    cause: str
    app: str
    options: str = "checks=[]"
    files: dict[str, str] = field(default_factory=dict)
    ends: bool = True
    """False where Gunicorn goes on with the next worker: the demonstration ends it after the first report."""


WAYS = {
    "variable": Way("check_failed", _APP, 'checks=[checks.env("SHOP_DATABASE_URL")]'),
    "exception": Way(
        "exception",
        "import shop\n\napp = shop.create_app()\n",
        files={"shop.py": 'def create_app():\n    return _open("prices.csv")\n\n\ndef _open(name):\n    open(name)\n'},
    ),
    "exit": Way(
        "sys_exit",
        "import shop_settings\n\n" + _APP,
        files={"shop_settings.py": "import sys\n\nsys.exit(0)\n"},
    ),
    "segfault": Way("native_crash", "import ctypes\n\nctypes.string_at(0)\n"),
    "hang": Way(
        "boot_deadline",
        "import threading\n\n\ndef connect():\n    threading.Event().wait()\n\n\nconnect()\n",
        'deadlines={"app.load": 3}',
        ends=False,
    ),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("way", nargs="?", choices=list(WAYS), default="variable", metavar="WAY", help="how (variable)")
    parser.add_argument("--keep", action="store_true", help="keep the temporary directory, and say where it is")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:  # noqa: ARG001
    """Let it fail, and show what is left."""
    from bootcheck.parent.trial import place

    with place(NAME, keep=args.keep) as folder:
        code = _shown(WAYS[args.way], folder, out)
        if args.keep:
            print(f"\nKept in {folder}: try `bootcheck show {folder}/reports`.", file=out)
    return code


def _shown(way: Way, folder: Path, out: TextIO) -> int:
    from bootcheck.analysis import analyze
    from bootcheck.render import Style, output, renderer, terminal

    files = {"app.py": way.app, "bootcheck.conf.py": _CONFIG.format(options=way.options), **way.files}
    for name, text in files.items():
        print(f"# {name}\n{text}", file=out)
    print("$ gunicorn -c bootcheck.conf.py", file=out)
    for line in _told(way, files, folder):
        print(f"  {line if len(line) <= _CUT else line[: _CUT - 1] + '…'}", file=out, flush=True)
    print("\n$ bootcheck analyze reports", file=out)
    found = analyze([str(folder / "reports")])
    style = Style.of(out)
    output.printed(terminal.dressed(renderer("text").incidents(found, style), out, style), out)
    causes = {incident.cause for incident in found.incidents}
    # Where the demonstration ends it, the next worker may be in mid-boot: that is a death as well.
    others = set() if way.ends else {"sigterm"}
    return 0 if way.cause in causes and causes <= {way.cause, *others} else 1


def _told(way: Way, files: dict[str, str], folder: Path) -> Iterator[str]:
    """Run the server to its end and yield what it writes."""
    from bootcheck.model.report import LINE_PREFIX
    from bootcheck.parent.trial import started, stopped

    try:
        server = started(folder, files, dict.fromkeys(_UNSET), subprocess.PIPE)
    except OSError as exc:
        msg = f"Gunicorn could not be started: {exc}"
        raise BootcheckError(msg) from exc
    try:
        for raw in server.stdout or ():
            line = raw.decode(errors="replace").rstrip()
            yield line
            if line.startswith(LINE_PREFIX) and not way.ends:
                server.terminate()
        yield f"(exit code {server.wait(PATIENCE_S)})"
    finally:
        stopped(server, PATIENCE_S)
