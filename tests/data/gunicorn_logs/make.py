"""Make the Gunicorn logs of this folder by provoking each failure with a real server.

    python tests/data/gunicorn_logs/make.py 20.1.0=venv20/bin/python 27.0.1=venv27/bin/python [SCENARIO ...]

Each version's environment needs what the scenarios import (the packages are listed in `needed.txt`).
PostgreSQL, MariaDB and Redis are real ones, started here as the integration tests start theirs. What
runs on this machine is run: sh, env, supervisord with superlance, honcho, tini, gosu, monit, a control
group with a memory limit. systemd, docker and clusters do not run here; what they put before a line is
added by `platforms.py`, and the file's name says so. Paths, ports and the host's name are replaced, so
that the logs look the same wherever they are made.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from driving import drive, reserve  # noqa: E402
from platforms import Run, carried  # noqa: E402
from scenarios import SCENARIOS  # noqa: E402
from scene import Scenario  # noqa: E402

from tests.integration.servers import make_certificate, running_mariadb, running_postgres, running_redis  # noqa: E402

PASSWORD = "hunter22secret"
DATABASE_PORTS = {"postgres": "5432", "mariadb": "3306", "redis": "6379"}
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all,+dac_read_search")
AMBIENT = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
"""Interpreters may live in a folder of root's: an unprivileged user who may look everywhere, and write nowhere."""


class Databases:
    """The servers that scenarios need, each started when the first one asks."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._ports: dict[str, int] = {}

    def port(self, kind: str) -> int:
        """Return the port of a running server of this kind."""
        if kind not in self._ports:
            start: Callable[[], int] = {"postgres": self._postgres, "mariadb": self._mariadb, "redis": self._redis}[
                kind
            ]
            self._ports[kind] = start()
        return self._ports[kind]

    def _postgres(self) -> int:
        server = self._open.enter_context(running_postgres("max_connections=12", "ssl=on", prepare=_certify))
        server.sql(
            f"CREATE ROLE shop LOGIN PASSWORD '{PASSWORD}'",
            f"CREATE ROLE small LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 1",
            "CREATE DATABASE shop OWNER shop",
        )
        return server.port

    def _mariadb(self) -> int:
        server = self._open.enter_context(running_mariadb("--max-connections=10"))
        server.sql(
            "CREATE DATABASE shop",
            f"CREATE USER 'shop'@'%' IDENTIFIED BY '{PASSWORD}'",
            "GRANT ALL ON shop.* TO 'shop'@'%'",
            f"CREATE USER 'small'@'%' IDENTIFIED BY '{PASSWORD}' WITH MAX_USER_CONNECTIONS 1",
            "GRANT ALL ON shop.* TO 'small'@'%'",
        )
        return server.port

    def _redis(self) -> int:
        server = self._open.enter_context(running_redis())
        return server.port

    def close(self) -> None:
        """End the servers."""
        self._open.close()


def main(arguments: list[str]) -> None:
    """Run what is asked for."""
    pythons = dict(word.split("=", 1) for word in arguments if "=" in word)
    wanted = [word for word in arguments if "=" not in word]
    databases = Databases()
    try:
        for key, scenario in SCENARIOS.items():
            if wanted and not any(word in key for word in wanted):
                continue
            for version, python in pythons.items():
                if not scenario.only or version in scenario.only:
                    platform = scenario.platform(key, version)
                    name = "-".join(part for part in (key, version, platform) if part)
                    _keep(name, carried(run(Path(python), scenario, databases), platform))
    finally:
        databases.close()


def _certify(folder: str) -> None:
    make_certificate(folder)


def _keep(name: str, text: str) -> None:
    target = HERE / f"{name}.log"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print(target.relative_to(HERE), len(text.splitlines()), "lines", flush=True)


def run(python: Path, scenario: Scenario, databases: Databases) -> Run:
    """Run one server and return what it wrote."""
    with tempfile.TemporaryDirectory() as place, _control_group(scenario.memory) as join:
        root = Path(place)
        holder, port = reserve()
        database = databases.port(scenario.needs) if scenario.needs else 0
        names = {"gunicorn": python.parent / "gunicorn", "python": python, "bin": python.parent, "root": root}
        environ = {
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "XDG_RUNTIME_DIR": place,
            "HOME": place,
            "DB_PORT": str(database),
            **{name.upper(): str(path) for name, path in {**names, "port": port}.items()},
            **scenario.environ,
        }
        _lay_out(root, scenario, environ, port)
        if "occupy" not in scenario.acts:
            holder.close()
        bind = () if any(word.startswith("--bind") for word in scenario.args) else ("--bind", f"127.0.0.1:{port}")
        words = scenario.command or ("{gunicorn}", *bind, *scenario.args)
        command = [word.format(port=port, **names) for word in words]
        before = (*join, *NOBODY, *AMBIENT) if scenario.nobody else join
        process = subprocess.Popen(
            [*before, *command],
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environ,
        )
        made = _follow(process, scenario, port, root)
        ports = {port: "8000", database: DATABASE_PORTS.get(scenario.needs, "")}
        made.name = Path(command[0]).name
        made.lines = [(when, _anonymous(line, python, root, ports)) for when, line in made.lines]
        return made


def _lay_out(root: Path, scenario: Scenario, environ: dict[str, str], port: int) -> None:
    root.chmod(0o755)
    for name, body in scenario.files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(body.replace("@PORT@", str(port)), encoding="utf-8")
    for line in scenario.prepare:
        subprocess.run(["sh", "-c", line], cwd=root, env=environ, check=True)


def _follow(process: subprocess.Popen[bytes], scenario: Scenario, port: int, root: Path) -> Run:
    made = Run(process.pid)
    reader = threading.Thread(target=_read, args=(process, made), daemon=True)
    reader.start()
    try:
        made.ordered = drive(scenario, process, port, made.lines)
        made.status = process.poll()
    finally:
        _end(process, root)
        reader.join(5)
    return made


def _read(process: subprocess.Popen[bytes], made: Run) -> None:
    assert process.stdout is not None
    for raw in process.stdout:
        made.lines.append((time.time(), raw.decode(errors="replace").rstrip("\n")))


def _end(process: subprocess.Popen[bytes], root: Path) -> None:
    """End whatever is left of the run, whose lines are not part of the log any more: its session, and its daemons."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            session = int(entry.joinpath("stat").read_text().rsplit(")", 1)[1].split()[3])
            if session == process.pid or Path(os.readlink(entry / "cwd")) == root:
                os.kill(int(entry.name), signal.SIGKILL)
    process.wait()


@contextmanager
def _control_group(megabytes: int) -> Iterator[tuple[str, ...]]:
    """Yield what must stand before a command for it to run in a control group with that much memory."""
    if not megabytes:
        yield ()
        return
    folder = Path("/sys/fs/cgroup/memory") / f"bootcheck-logs-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / "memory.limit_in_bytes").write_text(str(megabytes << 20))
        yield ("sh", "-c", f'echo $$ > {folder}/cgroup.procs; exec "$@"', "sh")
    finally:
        for _ in range(50):
            with suppress(OSError):
                folder.rmdir()
                break
            time.sleep(0.1)


def _anonymous(text: str, python: Path, root: Path, ports: dict[int, str]) -> str:
    names = ((str(root), "/app"), (str(python.parent.parent), "/venv"), (_base(python), "/usr/local"))
    for old, new in (*names, (os.uname().nodename, "host")):
        text = text.replace(old, new)
    for port, shown in ports.items():
        text = re.sub(rf"(?<!\d){port}(?!\d)", shown, text) if port else text
    return text


@cache
def _base(python: Path) -> str:
    """Return where the interpreter's own files are."""
    told = subprocess.run(
        [python, "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True, check=True
    )
    return told.stdout.strip()


if __name__ == "__main__":
    main(sys.argv[1:])
