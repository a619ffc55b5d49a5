"""The how-to pages of Django and FastAPI, with the frameworks themselves."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.harness import SOURCE, Interpreter, Server, names_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "fastapi.md"
INIT = "import sys; from bootcheck.cli import main; sys.exit(main(['init', '--force']))"
SETTINGS = """
import os
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
DEBUG = False
"""
URLS = """
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("from Django"))]
"""
WSGI = """
import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
"""


def need(name: str, python: Interpreter) -> None:
    """Skip where the framework is not beside this interpreter, or another one is under test."""
    if python.path != sys.executable or importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed there")


def initialised(home: Path) -> str:
    """Run `bootcheck init` in a project and return the file it wrote."""
    environ = {**os.environ, "PYTHONPATH": str(SOURCE)}
    subprocess.run([sys.executable, "-c", INIT], cwd=home, env=environ, check=True, capture_output=True)
    return (home / "bootcheck.conf.py").read_text(encoding="utf-8")


def test_a_django_project_serves_with_the_file_that_init_wrote(
    tmp_path: Path, serve: Callable[..., Server], python: Interpreter
):
    """Its required variable is declared; without it the start is refused, with it Django answers."""
    need("django", python)
    (tmp_path / "shop").mkdir()
    files = {"__init__.py": "", "settings.py": SETTINGS, "urls.py": URLS, "wsgi.py": WSGI}
    for name, text in files.items():
        (tmp_path / "shop" / name).write_text(text, encoding="utf-8")
    config = initialised(tmp_path)
    assert 'wsgi_app = "shop.wsgi:application"' in config

    refused = serve(home=tmp_path, config=config, target=None)
    assert refused.wait() == 78
    assert "DJANGO_SECRET_KEY is not set" in refused.stderr

    key = "a-key-of-the-test-suite-0123456789-QwErTyZxCv"
    server = serve(home=tmp_path, config=config, target=None, environ={"DJANGO_SECRET_KEY": key}).wait_ready()
    assert server.get("/") == (200, b"from Django")


@pytest.mark.parametrize("kind", ["asgi", "uvicorn"])
def test_a_fastapi_app_is_ready_when_its_lifespan_has_started(
    serve: Callable[..., Server], python: Interpreter, kind: str
):
    """The app of the page: its step stands in the boot report, inside the lifespan."""
    need("fastapi", python)
    (code,) = re.findall(r'```python title="main\.py"\n(.*?)^```', PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    model = "def load_model():\n    return 7\n\n"
    route = '\n@app.get("/")\ndef index():\n    return app.state.model\n'
    server = serve(app=model + code + route, worker_class=kind).wait_ready()

    assert server.get("/") == (200, b"7")
    (report,) = server.reports("boot", "worker")
    names = names_of(report)
    assert names.index("app.lifespan") < names.index("load model")


@pytest.mark.parametrize("kind", ["asgi", "uvicorn"])
def test_a_lifespan_that_fails_is_a_death_with_its_step(serve: Callable[..., Server], python: Interpreter, kind: str):
    """The model that cannot be loaded is named."""
    need("fastapi", python)
    (code,) = re.findall(r'```python title="main\.py"\n(.*?)^```', PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    server = serve(app="def load_model():\n    raise FileNotFoundError('model.bin')\n\n" + code, worker_class=kind)

    assert server.wait() != 0
    report = server.reports("crash", "worker")[0]
    assert report["verdict"]["cause"] == "exception"
    assert report["step"] in ("app.lifespan", "load model")
    assert ("load model", "failed") in [(item["name"], item["outcome"]) for item in report["checkpoints"]]
    assert "model.bin" in report["verdict"]["summary"]
