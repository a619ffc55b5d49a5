"""A small honest stand-in for a kubelet: it asks the probes that a manifest names, and sends TERM, then KILL."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from tests.integration.harness import Server

STARTUP, LIVENESS, READINESS = "startupProbe", "livenessProbe", "readinessProbe"


class _Asked:
    """One probe of a container's life."""

    def __init__(self, given: Mapping[str, Any], began: float, second: float) -> None:
        self.path = given["httpGet"]["path"]
        self.period = given.get("periodSeconds", 10) * second
        self.timeout = given.get("timeoutSeconds", 1) * second
        self.limit = given.get("failureThreshold", 3)
        self.next = began + given.get("initialDelaySeconds", 0) * second
        self.failures = 0
        self.successes = 0

    def take(self, *, answered: bool) -> None:
        """Count one answer."""
        self.next += self.period
        self.failures = 0 if answered else self.failures + 1
        self.successes += answered

    @property
    def failed(self) -> bool:
        """True once it has failed as often in a row as it may."""
        return self.failures >= self.limit


class Kubelet:
    """Runs one container."""

    def __init__(self, server: Server, container: Mapping[str, Any], *, second: float, grace: float = 20.0) -> None:
        """`second` is how long a second of the manifest lasts."""
        self._server = server
        self._container = container
        self._second = second
        self._grace = grace
        self.restarts = 0
        self.ready = False

    def live(self, *, enough: int = 3) -> str:
        """Start the container; return the probe that killed it, or `alive` after so many answers for liveness."""
        server = self._server
        server.start()
        began = time.monotonic()
        asked = {
            kind: _Asked(self._container[kind], began, self._second)
            for kind in (STARTUP, READINESS, LIVENESS)
            if kind in self._container
        }
        while server.returncode is None:
            held = STARTUP in asked and not asked[STARTUP].successes
            due = [STARTUP] if held else [kind for kind in (READINESS, LIVENESS) if kind in asked]
            for kind in due:
                probe = asked[kind]
                if time.monotonic() < probe.next:
                    continue
                probe.take(answered=self._ask(probe))
                if kind == READINESS:
                    self.ready = probe.failures == 0
                elif probe.failed:
                    self._kill()
                    return kind
            if not held and asked[LIVENESS].successes >= enough:
                return "alive"
            time.sleep(0.02)
        return f"ended with {server.returncode}"

    def _ask(self, probe: _Asked) -> bool:
        ports = re.findall(r"Listening at: http://127\.0\.0\.1:(\d+)", self._server.stderr)
        if len(ports) < self._server.starts:
            return False
        connection = http.client.HTTPConnection("127.0.0.1", int(ports[-1]), timeout=max(probe.timeout, 0.05))
        try:
            connection.request("GET", probe.path, headers={"Connection": "close"})
            return 200 <= connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _kill(self) -> None:
        self.restarts += 1
        assert self._server.process is not None
        self._server.process.send_signal(signal.SIGTERM)
        try:
            self._server.process.wait(self._grace)
        except subprocess.TimeoutExpired:
            self._server.process.kill()
            self._server.process.wait()
