"""`benchmarks/diagnosis.py`: what it says of a few labelled logs, one of them labelled wrongly."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.analysis.making import LOGS

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "diagnosis.py"
WORKER = "dependency-missing/worker"
HEALTHY = "none/boot-and-stop"


@pytest.fixture(scope="module")
def diagnosis() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("diagnosis", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Two logs of a missing package, one with a label that is wrong, and a healthy one."""
    for source, target in (
        (f"{WORKER}-23.0.0.log", f"{WORKER}-23.0.0.log"),
        (f"{WORKER}-27.0.1.log", "env-config/keyerror-27.0.1-heroku.log"),
        (f"{HEALTHY}-23.0.0.log", f"{HEALTHY}-23.0.0.log"),
    ):
        (tmp_path / target).parent.mkdir()
        shutil.copy(LOGS / source, tmp_path / target)
    return tmp_path


def test_it_counts_per_class(diagnosis: ModuleType, labelled: Path, capsys: pytest.CaptureFixture[str]):
    """A wrong answer costs its class precision and the log's class recall."""
    assert diagnosis.main(["--logs", str(labelled), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)

    assert told["classes"]["dependency-missing"] == {
        "logs": 1,
        "found": 1,
        "said": 2,
        "recall": 1.0,
        "precision": 0.5,
    }
    assert told["classes"]["env-config"]["recall"] == 0.0
    assert told["classes"]["env-config"]["precision"] is None
    assert told["confusion"] == {
        "dependency-missing": {"dependency-missing": 1},
        "env-config": {"dependency-missing": 1},
        "none": {"none": 1},
    }
    assert told["summary"]["recall"] == 0.5
    assert (told["summary"]["healthy_logs"], told["summary"]["false_alarms"]) == (1, 0)
    assert [item["label"] for item in told["wrong"]] == ["env-config"]


def test_it_prints_the_same_as_text(diagnosis: ModuleType, labelled: Path, capsys: pytest.CaptureFixture[str]):
    """A row per class, what was said instead, the totals."""
    diagnosis.main(["--logs", str(labelled), "--wrong"])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    assert "dependency-missing 1 1 100.0% 50.0%" in lines
    assert "env-config dependency-missing 1" in lines
    assert "failed logs 2, found 1: recall 50.0%, precision 50.0%" in lines
    assert f"dependency-missing {labelled / 'env-config/keyerror-27.0.1-heroku.log'}" in lines


def test_a_scenario_is_in_one_fold(diagnosis: ModuleType):
    """Whatever version and platform its logs are of."""
    names = (
        "worker-20.1.0",
        "worker-23.0.0-docker-json",
        "worker-27.0.1-journald",
    )
    scenarios = {diagnosis.scenario_of(LOGS / "env-config" / f"{name}.log") for name in names}

    assert scenarios == {"env-config/worker"}


def test_the_folds_are_everything_once(diagnosis: ModuleType, labelled: Path, capsys: pytest.CaptureFixture[str]):
    """Five folds, each log in exactly one of them."""
    diagnosis.main(["--logs", str(labelled), "--rotate", "--format", "json"])
    told = json.loads(capsys.readouterr().out)
    scored = [fold["summary"]["failed_logs"] + fold["summary"]["healthy_logs"] for fold in told["folds"]]

    assert len(scored) == diagnosis.FOLDS
    assert sum(scored) == 3
    for number, logs in enumerate(scored):
        diagnosis.main(["--logs", str(labelled), "--fold", str(number), "--format", "json"])
        one = json.loads(capsys.readouterr().out)["summary"]
        assert one["failed_logs"] + one["healthy_logs"] == logs


def test_a_folder_without_logs_is_said(diagnosis: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Nothing to score is no perfect score."""
    assert diagnosis.main(["--logs", str(tmp_path)]) == 2
    assert "no logs there" in capsys.readouterr().err
