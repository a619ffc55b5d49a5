"""The command line as a whole: help, unknown words, pipes, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bootcheck import __version__
from bootcheck.cli import COMMANDS, command, main
from tests.unit.analysis.making import report


def bootcheck(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    environ = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"], **options.pop("environ", {})}  # type: ignore[dict-item]
    return subprocess.run(
        [sys.executable, "-m", "bootcheck", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
        **options,
    )  # type: ignore[call-overload]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]):
    """In 80 columns, code 0."""
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"usage: bootcheck {name}" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_what_the_protocol_asks(name: str):
    """Its name is its file's, and one line says what it does."""
    module = command(name)

    assert name == module.NAME
    assert "\n" not in module.HELP
    assert module.HELP


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]):
    """Each with its line."""
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"    {name}" in out for name in COMMANDS)
    assert max(map(len, out.splitlines())) <= 80


def test_without_a_command_the_help_is_a_complaint(capsys: pytest.CaptureFixture[str]):
    """Code 2, on stderr."""
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "commands:" in captured.err


def test_the_version(capsys: pytest.CaptureFixture[str]):
    """One line, code 0."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"bootcheck {__version__}\n"


@pytest.mark.parametrize(("typed", "meant"), [("analize", "analyze"), ("analyse", "analyze"), ("shw", "show")])
def test_a_near_miss_is_named(typed: str, meant: str, capsys: pytest.CaptureFixture[str]):
    """Code 2 and the nearest command."""
    assert main([typed]) == 2
    assert f"Did you mean `bootcheck {meant}`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["analyze", "--formt", "json"], "there is no option '--formt' of analyze. Did you mean --format?"),
        (["analyze", "--zzz"], "there is no option '--zzz' of analyze. `bootcheck analyze --help`"),
        (["--vesion"], "there is no option '--vesion' of bootcheck. Did you mean --version?"),
        (["diff", "a", "b", "c"], "diff has no use for 'c'."),
        (["analyze", "--jobs", "0"], "'0' is no number of processes: it must be 1 to "),
    ],
)
def test_an_option_that_is_none(words: list[str], told: str, capsys: pytest.CaptureFixture[str]):
    """It names the nearest one, and where all are listed."""
    assert main(words) == 2
    assert told in capsys.readouterr().err


def test_an_unknown_option_is_code_2(capsys: pytest.CaptureFixture[str]):
    """It is named."""
    assert main(["analyze", "--nonsense"]) == 2
    assert "--nonsense" in capsys.readouterr().err


def test_a_reader_that_goes_away(tmp_path: Path):
    """`bootcheck explain | head -1`: no traceback, no complaint."""
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-m", "bootcheck", "explain"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        check=False,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    os.close(theirs)

    assert done.returncode == 141
    assert done.stderr == b""


def test_a_terminal_that_knows_only_ascii(tmp_path: Path):
    """What it cannot show is escaped, not raised."""
    (tmp_path / "crash.json").write_bytes(report(summary="Die Datenbank läßt niemanden ein – schade.").encoded())
    done = bootcheck("analyze", str(tmp_path), environ={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})

    assert done.returncode == 1
    assert "l\\xe4\\xdft" in done.stdout


def test_help_is_quick_to_load():
    """No analyser, framework or driver is imported for it."""
    code = (
        "import sys; from bootcheck.cli import main; main(['--help']); "
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('flask', 'sqlalchemy', 'psycopg', 'gunicorn', 'rich')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("name", ["check", "selftest"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e300", "soon"])
def test_seconds_are_a_number_of_them(name: str, value: str, capsys: pytest.CaptureFixture[str]):
    """Anything else is a usage error, and blames nobody's app."""
    assert main([name, f"--timeout={value}"]) == 2
    assert "seconds" in capsys.readouterr().err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
def test_an_output_that_cannot_be_written_is_code_2():
    """One line, no traceback."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bootcheck", "explain"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]},
        )

    assert done.returncode == 2
    assert done.stderr.startswith("bootcheck: cannot write the output: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_streams_are_empty_ones(closed: tuple[int, ...], tmp_path: Path):
    """The exit code is as ever: here that of an empty log."""
    log = tmp_path / "log"
    log.write_text("hello\n")

    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)

    done = bootcheck("analyze", "-", str(log), preexec_fn=close)

    assert done.returncode == 0
    assert "Traceback" not in done.stderr
