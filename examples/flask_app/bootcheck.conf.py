"""Gunicorn configuration of the example: `gunicorn -c bootcheck.conf.py app:app` in this directory.

What is declared here stops the server before a worker serves, with all problems on one screen.
"""

from __future__ import annotations

import os
import runpy
import tempfile

from bootcheck import arm, checks

_HERE = os.path.dirname(os.path.abspath(__file__))

wsgi_app = "app:app"
pythonpath = _HERE

# Run and not imported: the master keeps no module of the app, so a reload finds the new code.
os.environ.setdefault("DATABASE_URL", runpy.run_path(f"{_HERE}/config.py")["default_database_url"]())

_UPLOADS = os.environ.get("UPLOAD_DIR", tempfile.gettempdir())

arm(
    globals(),
    checks=[
        # Environment: looked at in the master, before anything else.
        checks.env("SECRET_KEY", secret=True, min_length=32),
        checks.env("WEB_CONCURRENCY", required=False, kind="integer", minimum=1),
        checks.env("RENDER_EXTERNAL_HOSTNAME", required=False),
        checks.database_url("DATABASE_URL"),
        # In the preflight child, as the workers' user: files, imports, the database itself.
        checks.paths(writable=[_UPLOADS], readable=[_HERE]),
        checks.disk(tempfile.gettempdir(), min_free="10MB"),
        checks.imports("models"),
        checks.config_classes(
            "config:RenderConfig",
            "config:ProductionConfig",
            "config:BasicConfig",
            required_settings=("SECRET_KEY", "DATABASE_URL"),
            # SQLite and a laptop are meant to end up with the basic class.
            fallback="info",
        ),
        checks.database("DATABASE_URL", ddl="create-drop"),
        # In each worker, once the app is loaded.
        # A laptop has no TLS; the security settings are judged where the app is deployed.
        checks.flask_settings(("SECRET_KEY", "DATABASE_URL"), production="RENDER" in os.environ),
        checks.models("app:create_app", expect=("models:User", "models:Post", "models:Tag")),
        checks.initialise("database:init_database"),
    ],
)
