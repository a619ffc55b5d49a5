"""What an installation promises: dependencies, commands of the README, and nothing of the maker's machine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from bootcheck.model.report import schema

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def tracked() -> list[Path]:
    """Return the files that version control knows or would take."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("not a clone")
    return [ROOT / name for name in done.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_the_base_package_depends_on_gunicorn_alone(project: dict[str, Any]):
    """It installs into any app without moving a version: one dependency, no upper bound."""
    (dependency,) = map(Requirement, project["dependencies"])

    assert dependency.name == "gunicorn"
    assert [specifier.operator for specifier in dependency.specifier] == [">="]


def test_no_extra_forbids_a_newer_version_to_an_app(project: dict[str, Any]):
    """Extras that apps install set lower bounds only; the linters are pinned, they are no app's."""
    for name, requirements in project["optional-dependencies"].items():
        if name in ("lint", "docs", "dev"):
            continue
        for requirement in map(Requirement, requirements):
            assert {specifier.operator for specifier in requirement.specifier} <= {">="}, (name, str(requirement))


def test_the_extension_is_a_distribution_of_its_own(project: dict[str, Any]):
    """The extra asks for no newer one than the folder holds, and the wheel of the package stays without it."""
    tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    extension = tomllib.loads((ROOT / "siginfo" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (wanted,) = map(Requirement, project["optional-dependencies"]["siginfo"])

    assert wanted.name == extension["name"]
    assert wanted.specifier.contains(extension["version"])
    assert extension["requires-python"] == project["requires-python"]
    assert extension["dependencies"] == []
    assert whole["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["src/bootcheck"]


def test_the_readme_names_two_commands_that_do_all_set_up():
    """The example and the tests each take one line."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert "pip install '.[demo]' && gunicorn\n" in readme
    assert "pip install '.[test]' && pytest\n" in readme


def test_the_schema_ships_with_the_package():
    """`schema()` reads a file of the package."""
    assert schema()["title"] == "bootcheck report"


def test_no_tracked_file_names_a_package_host_or_this_machine():
    """Neither a registry's host nor an absolute path of this clone or interpreter."""
    hosts = rb"|".join((rb"pypi\." + rb"org", rb"python" + rb"hosted\.", rb"registry\.npm" + rb"js"))
    places = [str(place) for place in (ROOT, Path(sys.prefix)) if len(place.parts) > 2]
    pattern = re.compile(rb"|".join([hosts, *(re.escape(place.encode()) + rb"\b" for place in places)]))

    found = [str(path.relative_to(ROOT)) for path in tracked() if pattern.search(path.read_bytes())]

    assert found == []


def test_every_change_note_has_a_known_type():
    """`changes/<issue>.<type>.md`, a sentence that ends."""
    for path in (ROOT / "changes").glob("*.md"):
        assert re.fullmatch(r"\d+\.(added|changed|fixed|removed)(\.\d+)?\.md", path.name), path.name
        assert path.read_text(encoding="utf-8").strip().endswith("."), path.name
