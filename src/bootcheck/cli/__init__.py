"""The command line: one file per command, listed in `COMMANDS`.

A command is a module `bootcheck.cli.<name>` with

    NAME = "check"                                  # what is typed
    HELP = "Run the preflight without a server."    # one line for `bootcheck --help`

    def configure(parser: argparse.ArgumentParser) -> None: ...
    def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int: ...

Its docstring is the description in `bootcheck <name> --help`. `run` prints findings to `out`,
complaints to `err`, and returns 0 (nothing wrong), 1 (findings) or 2 (could not look). A
`BootcheckError` becomes one line on `err` and its `exit_code`. A module imports what is heavy
inside `run`: `--help` imports every command.
"""

from __future__ import annotations

import argparse
import difflib
import errno
import importlib
import inspect
import math
import os
import re
import sys
import textwrap
from collections.abc import Sequence
from typing import NoReturn, Protocol, TextIO, cast

from bootcheck.model.errors import BootcheckError

COMMANDS: tuple[str, ...] = (
    "init",
    "check",
    "run",
    "wait",
    "watch",
    "monitor",
    "analyze",
    "show",
    "diff",
    "verify",
    "dump",
    "probes",
    "explain",
    "demo",
    "selftest",
)
"""In the order in which `bootcheck --help` lists them; each is a module of this package."""

WIDTH = 80
BROKEN_PIPE = 141
"""128 + SIGPIPE, as a tool that the signal ends."""
INTERRUPTED = 130
MAX_SECONDS = 1e6
_UNWRITTEN = frozenset({errno.ENOSPC, errno.EIO, errno.EBADF, errno.EFBIG, errno.EDQUOT})
"""What a write to a full disk, a lost terminal or a closed descriptor raises."""


class Command(Protocol):
    """What a command module offers."""

    NAME: str
    HELP: str

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""

    def run(self, args: argparse.Namespace, out: TextIO, err: TextIO) -> int:
        """Do it and return the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never raises for what a user or a pipe does."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows only ASCII gets escapes instead of a traceback.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
    except BootcheckError as exc:
        print(f"bootcheck: {exc}", file=sys.stderr)
        return exc.exit_code
    except BrokenPipeError:
        # The interpreter flushes stdout once more at its end, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as exc:
        if exc.errno not in _UNWRITTEN or exc.filename is not None:
            raise
        print(f"bootcheck: cannot write the output: {exc.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 2
    return code


def seconds(text: str, *, most: float = MAX_SECONDS) -> float:
    """Return an option's number of seconds: more than 0 and at most `most`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= most:
        msg = f"{text!r} is no number of seconds: it must be more than 0 and at most {most:,.0f}"
        raise argparse.ArgumentTypeError(msg)
    return value


def command(name: str) -> Command:
    """Return the module of a listed command."""
    return cast("Command", importlib.import_module(f"bootcheck.cli.{name}"))


def parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """Return the parser that knows these commands."""
    top = argparse.ArgumentParser(
        prog="bootcheck",
        description="Says why a Gunicorn server cannot start, or why it died.",
        epilog="Exit codes: 0 nothing wrong, 1 findings, 2 could not look.",
        formatter_class=_Formatter,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in names:
        module = command(name)
        sub = subparsers.add_parser(
            module.NAME, help=module.HELP, description=inspect.getdoc(module), formatter_class=_Formatter
        )
        module.configure(sub)
        sub.set_defaults(run=module.run)
    return top


def version() -> str:
    """Return the version of bootcheck."""
    from bootcheck import __version__

    return __version__


def _open_closed() -> None:
    """Give a process that was started without one of its streams an empty one."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - for the process's life


def _dispatch(arguments: list[str]) -> int:
    name = next((word for word in arguments if not word.startswith("-")), None)
    if name is not None and name not in COMMANDS:
        print(_unknown(name), file=sys.stderr)
        return 2
    known = parser(COMMANDS if name is None else (name,))
    try:
        args, rest = known.parse_known_args(arguments)
    except SystemExit as exc:
        # argparse ends the process for --help, --version and a usage error.
        return exc.code if isinstance(exc.code, int) else 0
    if rest:
        print(_unknown_option(rest[0], known, name), file=sys.stderr)
        return 2
    if args.command is None:
        parser().print_help(sys.stderr)
        return 2
    return int(args.run(args, sys.stdout, sys.stderr))


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
    hint = f"Did you mean `bootcheck {near[0]}`?" if near else f"Commands: {', '.join(COMMANDS)}."
    return f"bootcheck: there is no command {name!r}. {hint}"


def _unknown_option(word: str, top: argparse.ArgumentParser, name: str | None) -> str:
    command = name or "bootcheck"
    lists = f"`bootcheck {name or ''}".rstrip() + " --help` lists what it takes."
    if not word.startswith("-"):
        return f"bootcheck: {command} has no use for {word!r}. {lists}"
    options = re.findall(r"(?<![\w-])--[a-z-]+", _help_of(top, name))
    near = difflib.get_close_matches(word.partition("=")[0], options, n=1)
    return f"bootcheck: there is no option {word!r} of {command}. {f'Did you mean {near[0]}? ' if near else ''}{lists}"


def _help_of(top: argparse.ArgumentParser, name: str | None) -> str:
    actions = [action for action in top._actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001
    subs: dict[str, argparse.ArgumentParser] = actions[0].choices if actions and name is not None else {}
    return subs.get(name or "", top).format_usage()


class _Version(argparse.Action):
    """Strictly private: looks the version up only where it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"bootcheck {version()}")
        parser.exit()


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Strictly private: 80 columns wherever it is printed, descriptions as they are written."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=WIDTH, max_help_position=26)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        # What is indented stands as it was written: an example of a command.
        told = (part if part.startswith(" ") else textwrap.fill(part, width) for part in text.strip().split("\n\n"))
        return textwrap.indent("\n\n".join(told), indent)
