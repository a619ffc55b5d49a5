"""The zero-file configuration: `gunicorn -c python:bootcheck.conf app:app`.

Executes `./gunicorn.conf.py` first where there is one, takes its settings over, and arms unless
that file did.
"""

from __future__ import annotations

import os
import sys as _sys
import types as _types
from typing import Any

from bootcheck.gunicorn import arm as _arming
from bootcheck.settings import disabled as _disabled
from bootcheck.sinks.stderr import say as _say

_FILE = "gunicorn.conf.py"


def _take_over(namespace: dict[str, Any]) -> None:
    path = os.path.join(os.getcwd(), _FILE)
    if not os.path.isfile(path) or namespace.get("_reading"):
        return
    namespace["_reading"] = True
    # As Gunicorn does: a dataclass or a pickle in the file looks for the module of that name.
    module = _types.ModuleType("__config__")
    module.__file__ = path
    _sys.modules["__config__"] = module
    theirs = vars(module)
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec")
    if not _disabled():
        _say(f"bootcheck: taking the settings of {path}")
    exec(code, theirs)  # noqa: S102 - a configuration file is code, executed as Gunicorn would
    mine = {name for name in namespace if name.startswith("_")} | {"__builtins__"}
    namespace.update({name: value for name, value in theirs.items() if name not in mine})


try:
    _take_over(globals())
except (Exception, SystemExit) as _exc:
    _arming.not_read(globals(), _exc)
    raise
# A file that armed itself declared its checks; arming once more without any would take them away.
if not getattr(globals().get("nworkers_changed"), "bootcheck_owned", False):
    _arming.arm(globals())
