"""The models of an app: each test breaks one thing in a fresh interpreter and sees its checkpoint turn red."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bootcheck.checks.base import Moment
from bootcheck.checks.models import ModelsCheck, models
from bootcheck.model.errors import CheckOptionError
from bootcheck.testing import Outcome, run_check
from tests.unit.children import interpreter

pytestmark = pytest.mark.wide

GOOD = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

class Base(DeclarativeBase):
    pass

class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    posts: Mapped[list["Post"]] = relationship(back_populates="author")

class Post(Base):
    __tablename__ = "post"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    author: Mapped["User"] = relationship(back_populates="posts")

def create_app():
    raise AssertionError("the factory must not be called")

version = "1.0"
"""

RUN = """
import json
from bootcheck.checks import models
from bootcheck.testing import run_check
import {module}
result = run_check(models({arguments}))
print(json.dumps({{
    "findings": [finding.as_dict() for finding in result.findings],
    "outcomes": {{point.name: point.outcome for point in result.checkpoints}},
    "details": {{point.name: dict(point.detail) for point in result.checkpoints}},
}}))
"""


@pytest.fixture
def ask(tmp_path):
    """Run the check on a module with this source."""

    def asked(source: str, arguments: str = "") -> dict[str, Any]:
        (tmp_path / "shop.py").write_text(source)
        done = interpreter(RUN.format(module="shop", arguments=arguments), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return asked


def test_models_that_fit_together_pass(ask):
    """Every fact is a checkpoint; the factory is imported and not called."""
    told = ask(GOOD, "'shop:create_app', expect=('shop:User', 'shop:Post')")

    assert told["findings"] == []
    for name in ("factory", "factory.callable", "class.User", "class.Post", "mappers", "relationships", "foreign_keys"):
        assert told["outcomes"][f"models.{name}"] == "passed"
    assert told["details"]["models.mappers"]["mappers"] == 2
    assert told["details"]["models.relationships"]["count"] == 2
    assert told["details"]["models.foreign_keys"]["count"] == 1


def test_an_unresolved_relationship_is_named(ask):
    """The class and the attribute, and the class that was meant."""
    told = ask(GOOD.replace('list["Post"]', 'list["Psot"]'))

    assert [finding["code"] for finding in told["findings"]] == ["BC301"]
    assert "User.posts" in told["findings"][0]["summary"]
    assert told["findings"][0]["action"][0] == "Did you mean Post?"
    assert told["outcomes"]["models.mappers"] == "failed"
    assert told["outcomes"]["models.relationships"] == "failed"


def test_every_unresolved_relationship_is_named(ask):
    """SQLAlchemy stops at the first; a second restart for the second one is not needed."""
    more = """
class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    things: Mapped[list["Thing"]] = relationship("Thing")
"""
    told = ask(GOOD.replace('list["Post"]', 'list["Psot"]') + more)

    named = " ".join(finding["summary"] for finding in told["findings"])
    assert "User.posts" in named
    assert "Tag.things" in named


def test_a_relationship_without_a_foreign_key_is_named(ask):
    """There is no way to join the two tables."""
    told = ask(GOOD.replace('mapped_column(ForeignKey("user.id"))', "mapped_column()"))

    assert {finding["code"] for finding in told["findings"]} == {"BC301"}
    assert told["outcomes"]["models.mappers"] == "failed"
    assert "foreign key" in json.dumps(told["findings"]).lower()


def test_a_foreign_key_that_leads_nowhere_is_named(ask):
    """A table by another spelling, in a model without a relationship to show it."""
    more = """
class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
"""
    told = ask(GOOD + more)

    assert [finding["code"] for finding in told["findings"]] == ["BC301"]
    assert "note.owner_id" in told["findings"][0]["summary"]
    assert told["outcomes"]["models.mappers"] == "passed"
    assert told["outcomes"]["models.foreign_keys"] == "failed"


def test_a_missing_class_is_named_with_the_nearest(ask):
    """A model that was renamed: BC304, and what it is called now."""
    told = ask(GOOD, "expect=('shop:Usre',)")

    assert [finding["code"] for finding in told["findings"]] == ["BC304"]
    assert told["findings"][0]["action"] == ["Did you mean shop:User?"]
    assert told["outcomes"]["models.class.Usre"] == "failed"


def test_what_is_no_class_is_named(ask):
    """A text where a model class is expected."""
    told = ask(GOOD, "expect=('shop:version',)")

    assert [finding["code"] for finding in told["findings"]] == ["BC304"]
    assert told["outcomes"]["models.class.version"] == "failed"


@pytest.mark.parametrize(
    ("factory", "checkpoint"),
    [
        ("shop:make_app", "models.factory"),
        ("shpo:create_app", "models.factory"),
        ("shop:version", "models.factory.callable"),
    ],
)
def test_a_factory_that_cannot_be_used_is_named(ask, factory, checkpoint):
    """Not there, in no module, or nothing that can be called."""
    told = ask(GOOD, repr(factory))

    assert [finding["code"] for finding in told["findings"]] == ["BC304"]
    assert told["outcomes"][checkpoint] == "failed"
    assert factory.partition(":")[2] in told["findings"][0]["summary"] or factory in told["findings"][0]["summary"]


def test_an_app_without_models_is_no_alarm():
    """SQLAlchemy's ORM not loaded, or nothing mapped."""
    code = """
import sys
from bootcheck.checks import models
from bootcheck.testing import run_check
first = run_check(models())
assert "sqlalchemy" not in sys.modules
import sqlalchemy.orm
second = run_check(models())
print(first.outcome("models.mappers").value, second.outcome("models.mappers").value, first.codes, second.codes)
"""
    done = interpreter(code)

    assert done.stdout.split(" ", 2)[:2] == ["skipped", "skipped"], done.stderr


@pytest.mark.parametrize("path", ["shop", "shop.User", ":User", "shop:", "sh-op:User", 5])
def test_a_path_that_is_none_is_refused(path):
    """At the line that gives it, with an example."""
    with pytest.raises(CheckOptionError, match="myapp"):
        models(path)


def test_a_single_text_is_no_list():
    """It would count as its letters."""
    with pytest.raises(CheckOptionError, match="expect"):
        models(expect="shop:User")


def test_it_runs_in_workers_and_is_not_discovered():
    """To configure mappers early would break an app that imports some models late."""
    import bootcheck.checks.models as source
    from bootcheck.checks import models as module  # noqa: F401 - the function; its module has no discover

    assert ModelsCheck.moment is Moment.WORKER
    assert not hasattr(source, "discover")


def test_an_error_in_the_models_module_is_evidence():
    """The factory's module raises: the error's type is in the finding."""
    result = run_check(models("tests.no_such_module_of_ours:create_app"))

    assert result.codes == ("BC304",)
    assert result.outcome("models.factory") is Outcome.FAILED
    assert "ModuleNotFoundError" in result.findings[0].evidence[0].text
