"""Gunicorn configuration of the example: `gunicorn -c bootcheck.conf.py app:app` in this directory.

What is declared here stops the server before a worker serves, with all problems on one screen.
"""

from __future__ import annotations

import os
import runpy

from bootcheck import arm, checks

_HERE = os.path.dirname(os.path.abspath(__file__))

wsgi_app = "app:app"
pythonpath = _HERE

# Run and not imported: the master keeps no module of the app, so a reload finds the new code.
os.environ.setdefault("DATABASE_URL", runpy.run_path(f"{_HERE}/config.py")["default_database_url"]())

arm(
    globals(),
    checks=[
        checks.env("SECRET_KEY", secret=True, min_length=32),
        checks.database(ddl="create-drop"),
    ],
)
