"""Pages that are written from the code, so that they cannot say anything else.

A hook of MkDocs: rule pages from the modules that implement them, settings, checks, the report's
schema and the command line from where each is defined.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

FAMILIES = {
    "BC0": "bootcheck itself",
    "BC1": "Environment and configuration",
    "BC2": "Database and fork",
    "BC3": "Models and readiness",
    "BC4": "Resources",
    "BC5": "Deaths and signals",
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the rule pages to the navigation."""
    from bootcheck.model.codes import CODES

    by_family: dict[str, list[dict[str, str]]] = {}
    for code, rule in CODES.items():
        by_family.setdefault(code[:3], []).append({f"{code} {rule.slug}": f"rules/{code}.md"})
    families = [{FAMILIES[prefix]: pages} for prefix, pages in by_family.items()]
    config.nav.insert(-2, {"Rules": [{"All rules": "rules/index.md"}, *families]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every generated page."""
    for path, write in pages():
        files.append(File.generated(config, path, content=write()))
    return files


def pages() -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield the path of each generated page and what writes it."""
    from bootcheck.model.codes import CODES

    yield "rules/index.md", rules_page
    for code in CODES:
        yield f"rules/{code}.md", lambda code=code: rule_page(code)
    yield "reference/settings.md", settings_page
    yield "reference/checks.md", checks_page
    yield "reference/report.md", report_page
    yield "reference/cli.md", cli_page


# -- rules ------------------------------------------------------------------------------------


def rules_page() -> str:
    """Return the table of all codes."""
    from bootcheck.model.codes import CODES

    lines = [
        "# Rules",
        "",
        "A code is for ever: it is never reused and holds no severity. `bootcheck explain CODE` prints the same",
        "page inside the container, without a network.",
    ]
    family = ""
    for code, rule in CODES.items():
        if code[:3] != family:
            family = code[:3]
            lines += [
                "",
                f"## {FAMILIES[family]}",
                "",
                "| code | name | what it says | cause class |",
                "|---|---|---|---|",
            ]
        lines.append(f"| [{code}]({code}.md) | `{rule.slug}` | {rule.title} | {rule.cause_class} |")
    return "\n".join(lines) + "\n"


def rule_page(code: str) -> str:
    """Return the page of one code: the docstring of the module that implements it."""
    from bootcheck.model.codes import CODES
    from bootcheck.render.pages import HEADINGS, page_of

    rule = CODES[code]
    page = page_of(rule)
    if page is None:
        msg = f"no module explains {code}: write its page in the docstring of the one that implements it"
        raise ValueError(msg)
    lines = [f"# {code} {rule.slug}", "", f"*{rule.title}.*", ""]
    told = literal(page.text).splitlines()
    under = [line for line in told[1:] if line.strip() and line not in HEADINGS]
    # Some pages indent what stands under a heading; to Markdown that would be code.
    indented = bool(under) and all(line.startswith("    ") for line in under)
    lines += [f"## {line}" if line in HEADINGS else line.removeprefix("    " * indented) for line in told]
    if code < "BC5":
        ends = "69 (service unavailable)" if rule.transient else "78 (configuration)"
        lines += ["", f"A start that is refused for it ends with exit code {ends}."]
    lines += ["", f"Cause class: {rule.cause_class}. Implemented in `{page.module}`."]
    return "\n".join(lines) + "\n"


def literal(text: str) -> str:
    """Return text whose angle brackets are no HTML; within backticks Markdown leaves them alone."""
    parts = text.split("`")
    return "`".join(part if index % 2 else part.replace("<", "&lt;") for index, part in enumerate(parts))


# -- reference --------------------------------------------------------------------------------


def settings_page() -> str:
    """Return the page of the `BOOTCHECK_*` variables."""
    from bootcheck.settings import VARIABLES

    lines = [
        "# Settings",
        "",
        "Everything that is about the app is declared in the Gunicorn configuration file, in Python",
        "([checks](checks.md)). What is about one start of it can be said in the environment.",
        "An unknown value, or an unknown variable with this prefix, is an error that names the nearest right one.",
        "",
    ]
    for name, text in VARIABLES.items():
        lines += [f"`{name}`", f":   {literal(text)}", ""]
    return "\n".join(lines)


def checks_page() -> str:
    """Return the page of every check's function: signature and docstring."""
    from bootcheck import checks

    lines = [
        "# Checks",
        "",
        "Declared in the Gunicorn configuration file, in any order; they run in the order of this page.",
        "",
        "```python",
        "from bootcheck import arm, checks",
        "",
        'arm(globals(), checks=[checks.env("SECRET_KEY", secret=True, min_length=32)])',
        "```",
        "",
        "An error of a declared check stops the start. A check that bootcheck discovers by itself, because",
        "its subject is there, only warns; `BOOTCHECK_ENFORCE` changes that.",
    ]
    for name in checks.CHECKS:
        factory = getattr(checks, name)
        module = importlib.import_module(f"bootcheck.checks.{name}")
        codes = ", ".join(f"[{code}](../rules/{code}.md)" for code in module.RULES)
        found = "yes" if hasattr(module, "discover") else "no"
        lines += ["", f"## {name}", "", *docstring(factory, signature_of(name, factory))]
        lines += ["", f"Codes: {codes}. Discovered by itself: {found}."]
    return "\n".join(lines) + "\n"


def signature_of(name: str, factory: Callable[..., Any]) -> str:
    """Return a call as people write it, one option a line where it is long."""
    signature = inspect.signature(factory).replace(return_annotation=inspect.Signature.empty)
    # Annotations are kept as text, which a signature prints with quotes.
    text = re.sub(r": '([^']*)'", r": \1", str(signature))
    line = f"checks.{name}{text}"
    if len(line) <= 88:
        return line
    inner = ",\n    ".join(re.split(r", (?![^\[]*\])", text[1:-1]))
    return f"checks.{name}(\n    {inner},\n)"


def docstring(function: Callable[..., Any], signature: str) -> Iterator[str]:
    """Yield a Google docstring as Markdown."""
    text, _, arguments = (inspect.getdoc(function) or "").partition("\nArgs:\n")
    yield from ("```python", signature, "```", "", text.strip(), "")
    for line in inspect.cleandoc(arguments).splitlines():
        name, colon, told = line.partition(": ")
        # A further line of the same argument is indented more than its name.
        yield f"- `{name}`: {told}" if colon and not line.startswith(" ") else f"  {line.strip()}"


def report_page() -> str:
    """Return the page of a report's keys, from its JSON Schema."""
    from bootcheck.model.report import schema

    whole = schema()
    lines = [
        "# The report",
        "",
        "One JSON file per death, and one per finished boot of a process, in `BOOTCHECK_DIR`. Every death also",
        "prints one line `BOOTCHECK_REPORT {json}` on stderr with fewer keys, which is all that",
        "`bootcheck analyze -` needs.",
        "The JSON Schema ships in the package: `bootcheck.model.report.schema()`.",
        "",
        *table(whole["properties"], whole["required"]),
    ]
    parts = [(name, whole["properties"][name]) for name in ("verdict", "attributes")]
    for name, part in [*parts, *whole["$defs"].items()]:
        if "properties" in part:
            lines += ["", f"## {name}", "", *table(part["properties"], part.get("required", []))]
    return "\n".join(lines) + "\n"


def table(properties: dict[str, Any], required: list[str]) -> Iterator[str]:
    """Yield a table of keys."""
    yield from ("| key | type | always there | meaning |", "|---|---|---|---|")
    for name, part in properties.items():
        yield f"| `{name}` | {type_of(part)} | {'yes' if name in required else 'no'} | {part.get('description', '')} |"


def type_of(part: dict[str, Any]) -> str:
    """Return the type of a key in words."""
    if "const" in part:
        return f"`{part['const']}`"
    if "enum" in part:
        return "one of " + ", ".join(f"`{value}`" for value in part["enum"])
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        return f"[{name}](#{name})"
    kinds = part.get("type", "any")
    if kinds == "array":
        return "list of " + type_of(part.get("items", {}))
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)


def cli_page() -> str:
    """Return the page of every command's `--help`."""
    from bootcheck.cli import COMMANDS, main

    lines = ["# Commands", "", "```text", help_of(main), "```"]
    for name in COMMANDS:
        lines += ["", f"## bootcheck {name}", "", "```text", help_of(main, name), "```"]
    return "\n".join(lines) + "\n"


def help_of(main: Callable[[list[str]], int], *words: str) -> str:
    """Return what a command prints for `--help`."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        main([*words, "--help"])
    return said.getvalue().rstrip()
