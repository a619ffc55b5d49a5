"""Three configuration classes, tried in order: the most demanding one that loads wins."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping


class BasicConfig:
    """Runs on any machine that has a secret key: SQLite in a temporary directory."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self.SECRET_KEY = needed(environ, "SECRET_KEY")
        self.DATABASE_URL = environ.get("DATABASE_URL") or default_database_url()
        self.DATABASE_ENGINE_OPTIONS = engine_options(self.DATABASE_URL)
        self.SESSION_COOKIE_HTTPONLY = True
        self.SESSION_COOKIE_SAMESITE = "Lax"
        self.SESSION_COOKIE_SECURE = False
        self.MAX_CONTENT_LENGTH = 1024 * 1024


class ProductionConfig(BasicConfig):
    """Needs a database that is named and that several machines can use."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        super().__init__(environ)
        if needed(environ, "DATABASE_URL").startswith("sqlite"):
            msg = "DATABASE_URL names SQLite, which only one machine can use"
            raise LookupError(msg)
        self.SESSION_COOKIE_SECURE = True
        self.PREFERRED_URL_SCHEME = "https"


class RenderConfig(ProductionConfig):
    """Production on Render, which says where the service is reached."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        needed(environ, "RENDER")
        super().__init__(environ)
        self.SERVER_NAME = needed(environ, "RENDER_EXTERNAL_HOSTNAME")


CLASSES = (RenderConfig, ProductionConfig, BasicConfig)


def load_config(environ: Mapping[str, str] = os.environ) -> BasicConfig:
    """Return the first configuration that loads; raises with every reason if none does."""
    reasons = []
    for kind in CLASSES:
        try:
            return kind(environ)
        except LookupError as exc:
            reasons.append(f"{kind.__name__}: {exc.args[0]}")
    raise RuntimeError("No configuration class could be loaded. " + "; ".join(reasons))


def needed(environ: Mapping[str, str], name: str) -> str:
    """Return a variable that must be set and not empty."""
    value = environ.get(name, "")
    if not value:
        msg = f"{name} is not set"
        raise LookupError(msg)
    return value


def default_database_url() -> str:
    """Return the URL of a SQLite file in a directory of ours below the system's temporary one."""
    folder = os.path.join(tempfile.gettempdir(), f"bootcheck-example-{os.getuid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if os.path.islink(folder) or os.stat(folder).st_uid != os.getuid():
        # The temporary directory is everybody's: a stranger's folder would give him our database.
        folder = tempfile.mkdtemp(prefix="bootcheck-example-")
    return f"sqlite:///{folder}/example.db"


def engine_options(url: str) -> dict[str, object]:
    """Return pool options that survive a database that hangs up on idle connections."""
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": 30}}
    return {"pool_pre_ping": True, "pool_recycle": 280, "pool_size": 3, "max_overflow": 2, "pool_timeout": 10}
