"""The engine, and the one-time initialisation of the database."""

from __future__ import annotations

import os

from flask import Flask, current_app
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

import bootcheck
from models import Base, Post, Tag, User


def connect(app: Flask) -> None:
    """Give the app its engine; no connection is opened before the first query."""
    app.extensions["engine"] = create_engine(app.config["DATABASE_URL"], **app.config["DATABASE_ENGINE_OPTIONS"])


def engine() -> Engine:
    """Return the current app's engine."""
    found: Engine = current_app.extensions["engine"]
    return found


def init_database() -> None:
    """Create missing tables and put the first rows in, all or none of them."""
    if os.environ.get("EXAMPLE_BREAK") == "init":
        msg = "the example was asked to fail in its initialisation (EXAMPLE_BREAK=init)"
        raise RuntimeError(msg)
    with bootcheck.step("example.tables", phase="initialisation", tables=len(Base.metadata.tables)):
        Base.metadata.create_all(engine())
    with bootcheck.step("example.seed", phase="initialisation"), Session(engine()) as session, session.begin():
        seed(session)


def seed(session: Session) -> None:
    """Add the first author unless there is one."""
    if session.scalars(select(User).limit(1)).first() is None:
        hello = Post(title="Hello", tags=[Tag(name="first")])
        session.add(User(name="ada", posts=[hello]))
