"""Which package brings a module: where they have other names, and where Python itself brought it once."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DISTRIBUTIONS: Mapping[str, str] = MappingProxyType(
    {
        "Crypto": "pycryptodome",
        "Levenshtein": "levenshtein",
        "MySQLdb": "mysqlclient",
        "OpenSSL": "pyOpenSSL",
        "PIL": "pillow",
        "attr": "attrs",
        "bs4": "beautifulsoup4",
        "cv2": "opencv-python-headless",
        "dateutil": "python-dateutil",
        "decouple": "python-decouple",
        "discord": "discord.py",
        "docx": "python-docx",
        "dotenv": "python-dotenv",
        "environ": "django-environ",
        "faiss": "faiss-cpu",
        "fitz": "PyMuPDF",
        "flask_cors": "flask-cors",
        "flask_jwt_extended": "flask-jwt-extended",
        "flask_login": "flask-login",
        "flask_migrate": "flask-migrate",
        "flask_sqlalchemy": "flask-sqlalchemy",
        "flask_wtf": "flask-wtf",
        "git": "GitPython",
        "google.cloud.storage": "google-cloud-storage",
        "google.protobuf": "protobuf",
        "grpc": "grpcio",
        "jose": "python-jose",
        "jwt": "PyJWT",
        "ldap": "python-ldap",
        "magic": "python-magic",
        "markdown": "Markdown",
        "multipart": "python-multipart",
        "mysql": "mysql-connector-python",
        "pkg_resources": "setuptools",
        "pptx": "python-pptx",
        "psycopg": "psycopg[binary]",
        "psycopg2": "psycopg2-binary",
        "pythonjsonlogger": "python-json-logger",
        "rest_framework": "djangorestframework",
        "serial": "pyserial",
        "skimage": "scikit-image",
        "sklearn": "scikit-learn",
        "slugify": "python-slugify",
        "socketio": "python-socketio",
        "telegram": "python-telegram-bot",
        "uvicorn_worker": "uvicorn-worker",
        "yaml": "PyYAML",
        "zmq": "pyzmq",
    }
)
"""Modules whose package has another name."""

REMOVED = frozenset(
    (
        *("distutils", "imp", "asyncore", "asynchat", "smtpd", "binhex", "formatter", "parser", "symbol"),
        *("aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "mailcap", "msilib", "nis", "nntplib"),
        *("ossaudiodev", "pipes", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib", "lib2to3"),
    )
)
"""What Python itself brought until 3.8 to 3.12; most of it lives on as a package `standard-<name>`."""


def pip_line(module: str) -> str:
    """Return the command that installs the package of a module."""
    top = module.partition(".")[0]
    if top in REMOVED:
        return f"pip install {'setuptools' if top == 'distutils' else f'standard-{top}'}"
    known = next((name for name in parents(module) if name in DISTRIBUTIONS), None)
    requirement = DISTRIBUTIONS[known] if known else top.replace("_", "-")
    return f'pip install "{requirement}"' if "[" in requirement else f"pip install {requirement}"


def parents(module: str) -> list[str]:
    """Return a module's name and those of the packages it is in, the longest first."""
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
