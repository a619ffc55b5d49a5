"""Print the page of a code: what it means, how it looks, why it happens, what to do.

CODE is a code (BC201), a slug (pool-shared-after-fork) or a cause class of
`analyze` (db-unreachable). Without one all codes are listed. The pages are part
of the package: no network is needed.

Exit codes: 0 printed, 2 there is no such code.
"""

from __future__ import annotations

import argparse
import difflib
from typing import TextIO

from bootcheck.model.cause import CAUSE_CLASSES
from bootcheck.model.codes import CODES, SLUGS, Rule, find
from bootcheck.model.errors import BootcheckError

NAME = "explain"
HELP = "print the page of a code, offline"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "codes", nargs="*", metavar="CODE", help="a code, a slug or a cause class; none: list all codes"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:  # noqa: ARG001
    """Print the pages, or the list."""
    from bootcheck.render import json

    if not args.codes:
        rules = list(CODES.values())
        print(
            json.dumped([_entry(rule) for rule in rules]) if args.format == "json" else "\n".join(map(_line, rules)),
            file=out,
        )
        return 0
    entries = [_resolved(text) for text in args.codes]
    if args.format == "json":
        print(json.dumped(entries), file=out)
        return 0
    for number, entry in enumerate(entries):
        if number:
            print(file=out)
        print(f"{entry['heading']}\n\n{entry['page']}", file=out)
    return 0


def rule_of(text: str) -> Rule:
    """Return the rule of a code or slug; raises BootcheckError with the nearest one."""
    rule = find(text)
    if rule is None:
        raise BootcheckError(_unknown(text))
    return rule


def _resolved(text: str) -> dict[str, object]:
    from bootcheck.render.pages import page_of, page_of_class

    rule = find(text)
    if rule is not None:
        page = page_of(rule)
        told = page.text if page is not None else f"{rule.title}.\n\nThere is no page for it in this installation."
        return {**_entry(rule), "heading": f"{rule.code} {rule.slug}", "page": told}
    page = page_of_class(text)
    if page is None:
        raise BootcheckError(_unknown(text))
    return {"cause_class": text.lower(), "heading": f"Cause class {text.lower()}", "page": page.text}


def _entry(rule: Rule) -> dict[str, object]:
    return {"code": rule.code, "slug": rule.slug, "title": rule.title, "cause_class": rule.cause_class}


def _line(rule: Rule) -> str:
    return f"{rule.code}  {rule.slug}\n       {rule.title}"


def _unknown(text: str) -> str:
    near = _nearest(text)
    return f"there is no code {text!r}. {f'Did you mean {near}?' if near else '`bootcheck explain` lists them all.'}"


def _nearest(text: str) -> str | None:
    if text.upper().startswith("BC"):
        # Digits and letters that look alike: what counts is how many stand in the right place.
        typed = text.upper().translate(str.maketrans("OIL", "011"))
        best = max(CODES, key=lambda code: sum(one == other for one, other in zip(code, typed, strict=False)))
        return best if sum(one == other for one, other in zip(best, typed, strict=False)) >= 4 else None
    near = difflib.get_close_matches(text.lower(), [*SLUGS, *CAUSE_CLASSES], n=1, cutoff=0.5)
    return near[0] if near else None
