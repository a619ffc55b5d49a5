"""Make the Gunicorn logs of this folder by provoking each failure with a real server.

    python tests/data/gunicorn_logs/make.py 20.1.0=venv20/bin/python 27.0.1=venv27/bin/python [SCENARIO ...]

Paths of the machine are replaced, so that the logs look the same wherever they are made.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from scenarios import SCENARIOS, Scenario

HERE = Path(__file__).parent


def main(arguments: list[str]) -> None:
    """Run what is asked for."""
    pythons = dict(word.split("=", 1) for word in arguments if "=" in word)
    wanted = [word for word in arguments if "=" not in word]
    for version, python in pythons.items():
        for key, scenario in SCENARIOS.items():
            if (scenario.only and version not in scenario.only) or (wanted and not any(word in key for word in wanted)):
                continue
            text = run(Path(python), scenario)
            target = HERE / Path(key).parent / f"{Path(key).name}-{version}.log"
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
            print(target.relative_to(HERE), len(text.splitlines()), "lines")


def run(python: Path, scenario: Scenario) -> str:
    """Run one server and return what it wrote."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        for name, body in scenario.files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(body, encoding="utf-8")
        holder, port = _reserve()
        if "occupy" not in scenario.acts:
            holder.close()
        bind = () if "--bind" in scenario.args else ("--bind", f"127.0.0.1:{port}")
        log = root / "out.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [python.parent / "gunicorn", *bind, *scenario.args],
                cwd=root,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": place, "HOME": place, **scenario.environ},
            )
            try:
                _drive(scenario, process, port, log)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return _anonymous(log.read_text(encoding="utf-8", errors="replace"), python, root, port)


def _drive(scenario: Scenario, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + scenario.seconds
    for act in scenario.acts:
        if process.poll() is not None:
            return
        word, _, rest = act.partition(" ")
        if word == "wait":
            while rest not in log.read_text(errors="replace") and time.monotonic() < end and process.poll() is None:
                time.sleep(0.05)
        elif word == "sleep":
            time.sleep(float(rest))
        elif word == "get":
            _get(port, rest)
        elif word == "start":
            threading.Thread(target=_get, args=(port, rest), daemon=True).start()
        elif word == "tls":
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as plain:
                ssl._create_unverified_context().wrap_socket(plain)
        elif word == "signal":
            process.send_signal(getattr(signal, f"SIG{rest}"))
        elif word == "kill-worker":
            pids = re.findall(r"Booting worker with pid: (\d+)", log.read_text())
            os.kill(int(pids[0]), getattr(signal, f"SIG{rest}"))
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(0.1, end - time.monotonic()))


def _get(port: int, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        connection.getresponse().read()
    connection.close()


def _reserve() -> tuple[socket.socket, int]:
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    holder.listen()
    return holder, holder.getsockname()[1]


def _anonymous(text: str, python: Path, root: Path, port: int) -> str:
    prefix = str(python.parent.parent)
    base = subprocess.run(
        [python, "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True, check=True
    ).stdout.strip()
    for old, new in (
        (str(root), "/app"),
        (prefix, "/venv"),
        (base, "/usr/local"),
        (str(port), "8000"),
        (socket.gethostname(), "host"),
    ):
        text = text.replace(old, new)
    return text


if __name__ == "__main__":
    main(sys.argv[1:])
