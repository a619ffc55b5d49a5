"""The engine, and the one-time initialisation of the database."""

from __future__ import annotations

import os

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

import bootcheck
from config import load_config
from models import Base, Post, Tag, User

_settings = load_config()
# No connection is opened before the first query, so a preloaded app has nothing to share by mistake.
engine = create_engine(_settings.DATABASE_URL, **_settings.DATABASE_ENGINE_OPTIONS)


def init_database() -> None:
    """Create missing tables and put the first rows in, all or none of them."""
    if os.environ.get("EXAMPLE_BREAK") == "init":
        msg = "the example was asked to fail in its initialisation (EXAMPLE_BREAK=init)"
        raise RuntimeError(msg)
    with bootcheck.step("example.tables", "initialisation", tables=len(Base.metadata.tables)):
        Base.metadata.create_all(engine)
    with bootcheck.step("example.seed", "initialisation"), Session(engine) as session, session.begin():
        seed(session)


def seed(session: Session) -> None:
    """Add the first author unless there is one."""
    if session.scalars(select(User).limit(1)).first() is None:
        hello = Post(title="Hello", tags=[Tag(name="first")])
        session.add(User(name="ada", posts=[hello]))
