"""Compute probe settings from measured boots, or judge those of a manifest.

Reads boot reports (default: the report directory of this environment) and prints
startup, readiness and liveness settings that fit them, for Kubernetes, for
Terraform's kubernetes provider, for docker compose, or as lines of a systemd
unit.

    bootcheck probes --from /var/reports --format kubernetes
    bootcheck probes --from /var/reports --lint deployment.yaml

With --lint nothing is written: "liveness kills at 40 s, your boot takes 91 s".
Reading a manifest needs PyYAML: pip install 'bootcheck[manifests]'.

Exit codes: 0 nothing wrong, 1 findings, 2 no boot was measured or the manifest
cannot be read.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, TextIO

from bootcheck.cli import seconds
from bootcheck.model.errors import BootcheckError

if TYPE_CHECKING:
    from bootcheck.analysis.boot_times import BootTimes

NAME = "probes"
HELP = "probe settings from measured boots, or what is wrong with a manifest's"
FORMATS = ("text", "kubernetes", "terraform", "compose", "systemd", "json")
PORT = "8000"
MAX_COMPLAINTS = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--from", dest="paths", metavar="PATH", nargs="+", help="report directories, reports, archives, or -"
    )
    parser.add_argument("--boot", type=seconds, metavar="S", help="take this as the measured boot, without reports")
    parser.add_argument(
        "--format", choices=FORMATS, default=FORMATS[0], metavar="FORMAT", help=f"{', '.join(FORMATS[:-1])} or json"
    )
    parser.add_argument(
        "--port", metavar="PORT", help=f"number or name of the port that is asked (BOOTCHECK_PROBE_BIND's, else {PORT})"
    )
    parser.add_argument("--lint", metavar="MANIFEST", help="judge the probes of this Kubernetes manifest; - is stdin")
    parser.add_argument("--container", metavar="NAME", help="with --lint: only this container")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Print settings, or findings about a manifest."""
    from bootcheck.analysis.boot_times import BootTimes, measure
    from bootcheck.analysis.readers.places import report_directories

    if args.boot is not None:
        times = BootTimes(seconds=(args.boot,))
    else:
        paths = args.paths or [path for path in report_directories(os.environ) if os.path.isdir(path)]
        times = measure(paths, sys.stdin.buffer)
        _complain(times.problems, err)
        if not times.seconds:
            raise BootcheckError(_nothing(args.paths, times))
    if args.lint is not None:
        return _lint(args, times, out)
    from bootcheck.analysis.probe_plan import plan
    from bootcheck.render import probes

    port = args.port or os.environ.get("BOOTCHECK_PROBE_BIND", "").rpartition(":")[2] or PORT
    for line in probes.FORMATS[args.format](plan(times, port)):
        print(line, file=out)
    return 0


def _lint(args: argparse.Namespace, times: BootTimes, out: TextIO) -> int:
    from bootcheck.analysis import manifest, probe_lint
    from bootcheck.render import RENDERERS, Checked, Style, renderer

    found = manifest.containers(manifest.contents(args.lint), args.lint)
    checked = [
        Checked(name="probes", subject=one.where, findings=tuple(probe_lint.judge(one, times)))
        for one in manifest.relevant(found, args.container)
    ]
    name = args.format if args.format in RENDERERS else RENDERERS[0]
    for line in renderer(name).findings(checked, Style.of(out)):
        print(line, file=out)
    return int(any(one.findings for one in checked))


def _nothing(named: list[str] | None, times: BootTimes) -> str:
    cut = times.cut_off
    if cut:
        return (
            f"no boot became ready; {len(cut)} were ended before, after up to {cut[-1]:.1f} s. Let one start without "
            "probes, or give a number: bootcheck probes --boot SECONDS."
        )
    where = " or ".join(named) if named else "the report directory of this environment"
    return (
        f"no boot report in {where}. Start the server with bootcheck once, name its report directory with --from, "
        "or give a number: bootcheck probes --boot SECONDS."
    )


def _complain(problems: tuple[str, ...], err: TextIO) -> None:
    for problem in problems[:MAX_COMPLAINTS]:
        print(f"bootcheck: {problem}", file=err)
    if len(problems) > MAX_COMPLAINTS:
        print(f"bootcheck: and {len(problems) - MAX_COMPLAINTS} more", file=err)
