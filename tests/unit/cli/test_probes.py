"""`bootcheck probes`: settings from measured boots, and findings about a manifest."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bootcheck.cli import main
from bootcheck.cli.probes import FORMATS
from bootcheck.model.cause import Cause
from bootcheck.render import probes as rendered
from tests.unit.analysis.making import report, stored
from tests.unit.analysis.test_boot_times import boot

BAD = """
kind: Deployment
metadata: {name: shop}
spec:
  template:
    spec:
      containers:
        - name: web
          livenessProbe: {httpGet: {path: /health, port: 8000}, initialDelaySeconds: 10}
          readinessProbe: {httpGet: {path: /ready, port: 8000}}
"""


@pytest.fixture
def measured(tmp_path: Path) -> str:
    """A report directory with boots of 91 s."""
    folder = tmp_path / "reports"
    folder.mkdir()
    stored(folder, *(boot(91.0 - number, number=number, server=f"s{number}") for number in range(6)))
    return str(folder)


def test_formats_are_those_that_are_written():
    """The command knows them without loading any."""
    assert tuple(rendered.FORMATS) == FORMATS


def test_kubernetes_is_what_kubernetes_reads(measured: str, capsys: pytest.CaptureFixture[str]):
    """Three probes that give the longest boot half as long again, and which the lint passes."""
    yaml = pytest.importorskip("yaml", reason="PyYAML reads what was written")
    assert main(["probes", "--from", measured, "--format", "kubernetes", "--port", "http"]) == 0
    text = capsys.readouterr().out
    assert "6 boots measured: ready after 88 s (p50), 91 s (p95), 91 s (max)" in text
    written = yaml.safe_load(text)
    assert set(written) == {"startupProbe", "readinessProbe", "livenessProbe"}
    startup = written["startupProbe"]
    assert startup["httpGet"] == {"path": "/ready", "port": "http"}
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 182
    assert written["livenessProbe"]["httpGet"]["path"] == "/health"


def test_what_is_written_passes_the_lint(
    measured: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """Also from standard input."""
    pytest.importorskip("yaml", reason="PyYAML reads manifests")
    main(["probes", "--from", measured, "--format", "kubernetes"])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(capsys.readouterr().out.encode())))
    assert main(["probes", "--from", measured, "--lint", "-"]) == 0


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_bad_manifest(measured: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str):
    """Code 1, and the sentence."""
    pytest.importorskip("yaml", reason="PyYAML reads manifests")
    file = tmp_path / "m.yaml"
    file.write_text(BAD, encoding="utf-8")
    assert main(["probes", "--from", measured, "--lint", str(file), "--format", form]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "liveness kills at 40 s, your boot takes 91 s" in out
    assert "BC526" in out


@pytest.mark.parametrize("form", FORMATS)
def test_every_format(form: str, capsys: pytest.CaptureFixture[str]):
    """From a number alone; each names the time that a start gets, and none is empty."""
    assert main(["probes", "--boot", "91", "--format", form]) == 0
    text = capsys.readouterr().out
    assert re.search(r"189|failure_?[tT]hreshold", text)
    if form == "json":
        assert json.loads(text)["measured"]["max_s"] == 91.0
    if form == "systemd":
        assert "TimeoutStartSec=189\n" in text
        assert "WatchdogSec=" in text
    if form == "terraform":
        assert text.count("{") == text.count("}") == 6
    if form == "compose":
        yaml = pytest.importorskip("yaml", reason="PyYAML reads what was written")
        check = yaml.safe_load(text)["healthcheck"]
        compile(check["test"][-1], "healthcheck", "exec")
        assert check["start_period"] == "189s"


def test_the_side_port_is_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Where this environment names one."""
    monkeypatch.setenv("BOOTCHECK_PROBE_BIND", "0.0.0.0:9090")
    assert main(["probes", "--boot", "9", "--format", "kubernetes"]) == 0
    assert "port: 9090" in capsys.readouterr().out


def test_nothing_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Code 2 with the next step; where every start was ended, that is said."""
    assert main(["probes", "--from", str(tmp_path)]) == 2
    assert "no boot report in" in capsys.readouterr().err
    stored(tmp_path, report(Cause.SIGTERM, ready=False, uptime=40.0, server="x"))
    assert main(["probes", "--from", str(tmp_path)]) == 2
    assert "no boot became ready; 1 were ended before, after up to 40.0 s" in capsys.readouterr().err


def test_without_pyyaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Code 2 with the pip line; what needs no manifest goes on."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "m.yaml").write_text(BAD, encoding="utf-8")
    assert main(["probes", "--boot", "91", "--lint", str(tmp_path / "m.yaml")]) == 2
    assert "pip install 'bootcheck[manifests]'" in capsys.readouterr().err
    assert main(["probes", "--boot", "91"]) == 0


def test_a_manifest_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Code 2."""
    assert main(["probes", "--boot", "91", "--lint", str(tmp_path / "none")]) == 2
    assert "cannot read" in capsys.readouterr().err
