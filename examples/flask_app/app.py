"""A small Flask app with an application factory, and switches to break it.

`EXAMPLE_BREAK` makes it fail while it is loaded, each time in another way: see `breakage.py`.
"""

from __future__ import annotations

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from breakage import break_on_purpose
from config import load_config
from database import engine, init_database
from models import Post, User


def create_app() -> Flask:
    """Return the app, configured by the first class of `config.CLASSES` that loads."""
    flask_app = Flask(__name__)
    flask_app.config.from_object(load_config())
    flask_app.add_url_rule("/", view_func=index)
    flask_app.add_url_rule("/posts", view_func=posts)
    flask_app.add_url_rule("/health", view_func=health)
    flask_app.cli.command("init-database")(init_database)
    return flask_app


def index() -> ResponseReturnValue:
    """Answer without the database."""
    return jsonify(app="bootcheck example", see=["/posts", "/health"])


def posts() -> ResponseReturnValue:
    """Answer with every title and its author."""
    query = select(User.name, Post.title).join(Post.author).order_by(Post.id)
    with Session(engine) as session:
        return jsonify([{"author": row.name, "title": row.title} for row in session.execute(query)])


def health() -> ResponseReturnValue:
    """Answer 200 while the database answers, else 503."""
    try:
        with Session(engine) as session:
            return jsonify(status="ok", posts=session.scalar(select(func.count(Post.id))))
    except SQLAlchemyError as exc:
        return jsonify(status="database error", error=type(exc).__name__), 503


break_on_purpose()
app = create_app()
