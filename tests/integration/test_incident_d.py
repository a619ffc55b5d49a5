"""Incident D: a pod that is killed while it loads. Diagnosed from what it left, and prevented by measured probes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.integration.harness import HELLO, SOURCE
from tests.integration.kubelet import LIVENESS, Kubelet

yaml = pytest.importorskip("yaml", reason="PyYAML reads manifests")

MODEL = """
import os, time
time.sleep(6)
"""
"""Six seconds stand for 91."""
SCALE = 6 / 91
GUESSED = """
kind: Deployment
metadata: {name: nlp}
spec:
  template:
    spec:
      containers:
        - name: web
          command: [gunicorn, app:app]
          readinessProbe: {httpGet: {path: /ready, port: 8000}}
          livenessProbe: {httpGet: {path: /health, port: 8000}, initialDelaySeconds: 10, periodSeconds: 10}
"""


def bootcheck(*words, code):
    """Run the command line; return stdout."""
    environ = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-m", "bootcheck", *words], capture_output=True, check=False, env=environ, text=True
    )
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout


def test_killed_by_its_probe_three_times_then_measured_and_up(serve, tmp_path):
    """The bad manifest kills every start mid-load, and `analyze` says so; the one that `probes` writes does not."""
    manifest = tmp_path / "guessed.yaml"
    manifest.write_text(GUESSED, encoding="utf-8")
    container = yaml.safe_load(GUESSED)["spec"]["template"]["spec"]["containers"][0]
    server = serve(app=MODEL + HELLO, config="import bootcheck\nbootcheck.arm(globals())\n", run=False)
    kubelet = Kubelet(server, container, second=SCALE)
    for _ in range(3):
        assert kubelet.live() == LIVENESS
    assert kubelet.restarts == 3
    assert not kubelet.ready

    if "bootcheck_siginfo" in server.python.has:
        # Then the reports name who sent the signal: this test, a process like any other, and no kubelet outside.
        (incident,) = json.loads(bootcheck("analyze", "--format", "json", str(server.directory), code=1))["incidents"]
        assert incident["code"] == "BC505"
        return
    (incident,) = json.loads(bootcheck("analyze", "--format", "json", str(server.directory), code=1))["incidents"]
    assert incident["code"] == "BC513"
    assert incident["summary"].startswith("Killed by a probe mid-load: 3 starts were stopped from outside, each ")
    assert "in step app.load" in incident["summary"]
    assert incident["count"] == 3
    # By its own numbers, which are not scaled, that probe could not have: what died after so few seconds is refuted.
    named = json.loads(
        bootcheck("analyze", "--manifest", str(manifest), "--format", "json", str(server.directory), code=1)
    )
    assert [item["code"] for item in named["incidents"]] == ["BC505"]
    assert any("It was not the liveness probe" in doubt for doubt in named["incidents"][0]["against"])
    assert "liveness kills at 40 s, your boot takes 91 s" in " ".join(
        bootcheck("probes", "--boot", "91", "--lint", str(manifest), code=1).split()
    )

    # One start without probes measures it.
    server.start()
    server.wait_ready()
    assert server.stop() == 0
    measured = yaml.safe_load(bootcheck("probes", "--from", str(server.directory), "--format", "kubernetes", code=0))
    kubelet = Kubelet(server, {"name": "web", **measured}, second=1.0)
    measured[LIVENESS]["periodSeconds"] = 1
    assert kubelet.live(enough=2) == "alive"
    assert kubelet.restarts == 0
    assert kubelet.ready
    assert server.stop() == 0
