"""Manifests: which containers they hold, and what their probes say."""

from __future__ import annotations

import pytest

from bootcheck.analysis.manifest import Container, containers, relevant
from bootcheck.model.errors import BootcheckError

pytest.importorskip("yaml", reason="PyYAML reads manifests")


def test_every_kind_of_manifest():
    """Several documents, lists, pods, cron jobs, sidecars; what is no container is passed over."""
    text = """
kind: ConfigMap
data: {a: b}
---
---
kind: Pod
metadata: {name: p}
spec:
  initContainers:
    - {name: migrate}
    - {name: proxy, restartPolicy: Always}
  containers: [{name: one}, {name: two}]
---
kind: List
items:
  - kind: StatefulSet
    metadata: {name: s}
    spec: {template: {spec: {containers: [{name: three}]}}}
---
kind: CronJob
metadata: {name: c}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: four}]}}}}}
---
livenessProbe: {httpGet: {path: /x}}
"""
    assert [one.where for one in containers(text.encode(), "m")] == [
        "Pod p, container one",
        "Pod p, container two",
        "Pod p, container proxy",
        "StatefulSet s, container three",
        "CronJob c, container four",
        "container",
    ]


def test_which_container_is_meant():
    """The one that runs a Python server, else those with probes; or the named one."""
    text = b"""
kind: Pod
spec:
  containers:
    - {name: nginx, livenessProbe: {httpGet: {path: /}}}
    - {name: web, args: [exec, gunicorn, app:app]}
"""
    found = containers(text, "m")
    assert [one.where for one in relevant(found)] == ["Pod, container web"]
    assert [one.where for one in relevant(found, "nginx")] == ["Pod, container nginx"]
    assert [one.where for one in relevant(found[:1])] == ["Pod, container nginx"]
    with pytest.raises(BootcheckError, match="no container 'db'"):
        relevant(found, "db")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a: b", "holds no container"),
        ("", "holds no container"),
        ("spec: {{ .Values.x }}", "helm template"),
        ("a: [", "is no YAML"),
        ("? [a]\n: b", "is no YAML"),
        ("a: &a [*a]\n? *a\n: c", "is no YAML"),
        (
            "kind: Pod\nspec:\n  containers:\n    - livenessProbe:\n        periodSeconds: soon\n",
            "line 5: periodSeconds is 'soon'",
        ),
        ("kind: Pod\nspec:\n  containers:\n    - livenessProbe: {failureThreshold: -1}\n", "failureThreshold is -1"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, word: str):
    """With the line, and what to do about a template."""
    with pytest.raises(BootcheckError, match=word):
        containers(text.encode(), "m.yaml")


def test_values_of_the_wrong_kind_are_passed_over():
    """A list where a mapping belongs ends nothing."""
    text = b"kind: Pod\nspec:\n  containers: [7, {name: a, env: 3, ports: x, livenessProbe: [], args: {}}]\n"
    (one,) = containers(text, "m")
    assert one == Container(where="Pod, container a", source="m", line=3, probes={}, grace=30)
