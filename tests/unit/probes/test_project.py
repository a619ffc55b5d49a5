"""What a project's source says of it, without running it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from bootcheck.probes.project import look_at


def lay(folder: Path, **files: str) -> str:
    """Write files (`pkg__module` is pkg/module.py, `pkg__INIT` its __init__.py) and return the folder."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/").replace("INIT", "__init__") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(
    ("source", "framework", "asgi"),
    [
        ("from flask import Flask\napp = Flask(__name__)", "flask", False),
        ("import flask\napp: flask.Flask = flask.Flask(__name__)", "flask", False),
        ("from fastapi import FastAPI\napp = FastAPI(title='x')", "fastapi", True),
        ("from starlette.applications import Starlette\napp = Starlette()", "starlette", True),
        (
            "try:\n    from flask import Flask\n    app = Flask('x')\nexcept ImportError:\n    app = None",
            "flask",
            False,
        ),
    ],
)
def test_an_app_object_is_found_and_named_by_its_framework(tmp_path: Path, source: str, framework: str, asgi: bool):
    """The target is the assigned name; its framework decides between WSGI and ASGI."""
    target = look_at(lay(tmp_path, main=source)).target

    assert target is not None
    assert (target.uri, target.framework, target.asgi) == ("main:app", framework, asgi)


def test_a_django_project_is_found_by_its_wsgi_module(tmp_path: Path):
    """`get_wsgi_application()` names the target, manage.py names the settings module."""
    project = look_at(
        lay(
            tmp_path,
            manage="import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')",
            shop__INIT="",
            shop__wsgi="from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()",
            shop__settings="import os\nSECRET_KEY = os.environ['DJANGO_SECRET_KEY']",
        )
    )

    assert project.target is not None
    assert (project.target.uri, project.target.framework) == ("shop.wsgi:application", "django")
    assert project.django_settings == "shop.settings"
    assert [(variable.name, variable.required) for variable in project.variables] == [
        ("DJANGO_SECRET_KEY", True),
        ("DJANGO_SETTINGS_MODULE", False),
    ]


def test_wsgi_is_likelier_than_any_other_module(tmp_path: Path):
    """Of several objects the one in the usual place comes first; the rest is listed."""
    flask = "from flask import Flask\napp = Flask('x')"

    project = look_at(lay(tmp_path, zoo=flask, app=flask, wsgi=flask))

    assert [target.uri for target in project.targets] == ["wsgi:app", "app:app", "zoo:app"]


def test_a_factory_alone_is_a_target(tmp_path: Path):
    """Gunicorn calls `module:create_app()` itself; the framework is read in the factory's body."""
    project = look_at(
        lay(tmp_path, shop__INIT="import flask\ndef create_app(config=None):\n    return flask.Flask('shop')\n")
    )

    assert project.target is not None
    assert (project.target.uri, project.target.framework) == ("shop:create_app()", "flask")


def test_a_factory_that_needs_arguments_is_none(tmp_path: Path):
    """Gunicorn could not call it."""
    assert look_at(lay(tmp_path, app="def create_app(config):\n    return None\n")).target is None


def test_the_object_that_a_factory_made_is_better_than_the_factory(tmp_path: Path):
    """Its framework is the one that the factory makes."""
    project = look_at(
        lay(
            tmp_path,
            shop__INIT="from fastapi import FastAPI\ndef create_app():\n    return FastAPI()\n",
            wsgi="from shop import create_app\napp = create_app()\n",
        )
    )

    assert [(target.uri, target.framework, target.asgi) for target in project.targets] == [
        ("wsgi:app", "fastapi", True)
    ]


def test_a_package_in_src_is_named_as_it_is_imported(tmp_path: Path):
    """The `src` folder is no part of the module's name."""
    project = look_at(lay(tmp_path, src__shop__wsgi="from flask import Flask\napplication = Flask('x')"))

    assert project.target is not None
    assert project.target.uri == "shop.wsgi:application"


@pytest.mark.parametrize(
    ("source", "required"),
    [
        ("import os\nos.environ['NAME']", True),
        ("from os import environ\nenviron['NAME']", True),
        ("import os\nos.environ.get('NAME')", False),
        ("import os\nos.getenv('NAME', 'x')", False),
        ("from os import getenv\ngetenv('NAME')", False),
        ("import os\nos.environ.get('NAME')\nos.environ['NAME']", True),
        ("import os\ndef later():\n    return os.environ['NAME']", True),
    ],
)
def test_a_variable_that_the_code_reads_is_found(tmp_path: Path, source: str, required: bool):
    """It is required where a read of it would raise."""
    (variable,) = look_at(lay(tmp_path, app=source)).variables

    assert (variable.name, variable.required) == ("NAME", required)


@pytest.mark.parametrize(
    "source", ["import os\nos.environ['NAME'] = '1'", "import os\nos.environ[name]", "d = {}\nd['NAME']"]
)
def test_what_is_no_read_of_a_named_variable_is_left_out(tmp_path: Path, source: str):
    """Assignments, computed names and other mappings say nothing of what the app needs."""
    assert look_at(lay(tmp_path, app=source)).variables == ()


def test_tests_environments_and_vendored_code_are_left_out(tmp_path: Path):
    """Only the app's own modules are read."""
    flask = "import os\nfrom flask import Flask\napp = Flask('x')\nos.environ['NAME']"
    lay(tmp_path, tests__app=flask, myenv__app=flask, test_app=flask, conftest=flask, node_modules__app=flask)
    (tmp_path / "myenv" / "pyvenv.cfg").write_text("")

    project = look_at(str(tmp_path))

    assert (project.targets, project.variables) == ((), ())


@pytest.mark.parametrize("source", [b"def broken(:", b"\xff\xfe\x00", b"x = '\0'", b"x = 1\n" * 400_000])
def test_a_file_that_cannot_be_parsed_is_named_and_the_others_are_read(tmp_path: Path, source: bytes):
    """One broken or monstrous file costs itself only."""
    (tmp_path / "broken.py").write_bytes(source)

    project = look_at(lay(tmp_path, app="from flask import Flask\napp = Flask('x')"))

    assert project.target is not None
    assert [line.partition(":")[0] for line in project.unreadable] == ["broken.py"]


def test_looking_runs_nothing(tmp_path: Path):
    """A module with side effects has none."""
    look_at(lay(tmp_path, app=f"open({str(tmp_path / 'ran')!r}, 'w')"))

    assert not (tmp_path / "ran").exists()


def test_links_are_not_followed(tmp_path: Path):
    """A link to a module elsewhere, or to itself, is no module of the project."""
    (tmp_path / "loop.py").symlink_to("loop.py")
    (tmp_path / "pkg").symlink_to(tmp_path)

    assert look_at(str(tmp_path)).unreadable == ()


def test_alembic_a_gunicorn_configuration_and_config_classes_are_seen(tmp_path: Path):
    """They decide what a configuration file is offered."""
    (tmp_path / "alembic.ini").write_text("")
    project = look_at(
        lay(tmp_path, config="class BaseConfig: ...\nclass ProdConfig(BaseConfig): ...\n") and str(tmp_path)
    )
    (tmp_path / "gunicorn.conf.py").write_text("")

    assert project.alembic_ini == "alembic.ini"
    assert project.config_classes == ("config:BaseConfig", "config:ProdConfig")
    assert not project.gunicorn_conf
    assert look_at(str(tmp_path)).gunicorn_conf


def test_a_folder_that_cannot_be_listed_is_empty(tmp_path: Path):
    """Nothing is raised."""
    assert look_at(str(tmp_path / "nowhere")).targets == ()
