"""What one scenario is: the files of a server, what is done to it, and which class it provokes by what."""

from __future__ import annotations

from dataclasses import dataclass, field
from zlib import crc32

HELLO = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""
FLASK = "from flask import Flask\n\napp = Flask(__name__)\n\n\n@app.get('/')\ndef index():\n    return 'fine'\n\n\n"
STOP = ("wait Booting worker", "sleep 1", "signal TERM")
SERVE = ("wait Booting worker", "sleep 1.5", "get /", "get /")
ACCESS = ("--access-logfile", "-")
PLATFORMS = (
    "journald",
    "compose",
    "kubectl",
    "heroku",
    "docker-json",
    "syslog",
    "render",
    "cloudwatch",
    "journald-iso",
    "gcp-json",
    "beanstalk",
    "journald-unit",
)
_STEP = 5
"""The majors 20, 21, 23 and 27 times this are four different remainders: each version has another platform."""


@dataclass(frozen=True)
class Scenario:
    """One run of a server: its files, its arguments, what is done to it, and when it is stopped."""

    files: dict[str, str]
    args: tuple[str, ...] = ("app:app",)
    acts: tuple[str, ...] = ()
    """`wait TEXT`, `sleep S`, `get PATH`, `start PATH` (a request nobody waits for), `connect` (a client that says
    nothing), `tls`, `storm PATH` (eight requests at once), `signal NAME`, `kill-worker NAME`, `occupy`,
    `leave` (the log is taken while it still runs)."""
    seconds: float = 12.0
    """It is ended after that long."""
    only: tuple[str, ...] = ()
    """Versions that can show this; all where empty."""
    environ: dict[str, str] = field(default_factory=dict)
    by: str = ""
    """What provokes the class that the key names."""
    command: tuple[str, ...] = ()
    """What is run in place of gunicorn; {gunicorn}, {python}, {bin}, {root} and {port} are filled in."""
    prepare: tuple[str, ...] = ()
    """Shell commands that run first, in the folder, with $PYTHON, $BIN and $PORT."""
    needs: str = ""
    """`postgres`, `mariadb` or `redis`: a real server, at $DB_PORT, with the accounts of `make.py`."""
    nobody: bool = False
    """It runs as an unprivileged user; root, who may do everything, makes the log otherwise."""
    memory: int = 0
    """MB that its control group may have."""
    plain: bool = False
    """Without a platform's prefix."""
    known_as: str = ""
    """The key by which its set knows it, where another set had taken that first."""

    def platform(self, key: str, version: str) -> str:
        """Return the platform that carries the log of this version; empty for none."""
        number = crc32((self.known_as or key).encode()) + _STEP * int(version.partition(".")[0])
        return "" if self.plain else PLATFORMS[number % len(PLATFORMS)]


def app(text: str, **more: str) -> dict[str, str]:
    """Return `app.py` and further modules; __ in a name is a folder."""
    return {"app.py": text, **{name.replace("__", "/") + ".py": body for name, body in more.items()}}
