"""Makes a bare `gunicorn` in this repository run the example under bootcheck.

Demonstration values are set only where none are set; options on the command line win, as always.
"""

from __future__ import annotations

import os
import secrets

_CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "examples", "flask_app", "bootcheck.conf.py")

# In the environment and not in raw_env: `-e NAME=value` on the command line replaces that list whole.
# A reload executes this file again and finds the values of the first time.
os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))

if "WEB_CONCURRENCY" not in os.environ:
    workers = 2

# The example's own configuration: one list of checks for both ways to start it.
__file__ = _CONFIG
with open(_CONFIG, encoding="utf-8") as _file:
    exec(compile(_file.read(), _CONFIG, "exec"))  # noqa: S102
