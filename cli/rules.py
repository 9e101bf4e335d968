"""List the lint rules, or explain one: what it reports, why, a bad and a good
example, and how to silence it.

examples:
  attractor rules
  attractor rules timeout_unitless
  attractor rules --format json

exit codes: 0 said; 2 there is no such rule
"""

import argparse
import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from attractor.compiler import rules as registry
from attractor.compiler.rules import RULES, Rule
from attractor.compiler.settings import RULES_BY_ID, is_essential
from attractor.compiler.suggest import did_you_mean
from attractor.compiler.suppressions import canonical_rule

_EXAMPLES = Path(registry.__file__).parent / "examples"
_LANGUAGES = {"dot": "dot", "yaml": "yaml", "toml": "toml", "md": "markdown"}
_FIX_FLAGS = {"": "", "safe": "--fix", "unsafe": "--unsafe-fixes"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", nargs="?", metavar="RULE", help="explain this one (kebab case will do)")
    parser.add_argument("--format", choices=("text", "json", "markdown"), default="text", help="default: text")


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    rule = None if arguments.rule is None else RULES_BY_ID.get(canonical_rule(arguments.rule))
    if arguments.rule is not None and rule is None:
        hint = did_you_mean(canonical_rule(arguments.rule), RULES_BY_ID) or "`attractor rules` lists them"
        stderr.write(f'attractor: there is no rule "{arguments.rule}"; {hint}\n')
        return 2
    match arguments.format:
        case "json":
            stdout.write(_json(RULES if rule is None else (rule,)))
        case "markdown":
            stdout.writelines(f"{line}\n" for line in (_page() if rule is None else _section(rule)))
        case _:
            stdout.writelines(f"{line}\n" for line in (_list() if rule is None else _explain(rule)))
    return 0


def _subjects() -> Iterator[tuple[str, tuple[Rule, ...]]]:
    """Yield the files of rules in order: the first sentence that each says of itself, and its rules by name."""
    order = {rule.id: at for at, rule in enumerate(RULES)}
    modules = [each for each in vars(registry).values() if isinstance(each, ModuleType) and hasattr(each, "RULES")]
    for module in sorted(modules, key=lambda module: order[module.RULES[0].id]):
        title = " ".join((module.__doc__ or "").split("\n\n")[0].split())
        yield title.partition(". ")[0].rstrip("."), tuple(sorted(module.RULES))


def _list() -> Iterator[str]:
    width = max(len(rule.id) for rule in RULES)
    for title, rules in _subjects():
        yield title
        for rule in rules:
            fix = _FIX_FLAGS[rule.fix]
            yield f"  {rule.id:<{width}}  {_severity(rule):<7}  {rule.summary}" + (f"  ({fix})" if fix else "")
        yield ""
    yield f"{len(RULES)} rules; `attractor rules RULE` explains one"


def _page() -> Iterator[str]:
    """docs/rules.md."""
    yield "# Rules"
    yield ""
    yield f"All {len(RULES)} rules, by subject. Written by `attractor rules --format markdown`, from the registry that"
    yield "the compiler itself uses; every example is run by the tests."
    for title, rules in _subjects():
        yield ""
        yield f"## {title}"
        for rule in rules:
            yield ""
            yield from _section(rule)


def _section(rule: Rule) -> Iterator[str]:
    yield f"### {rule.id}"
    yield ""
    how = f", fixable with `{_FIX_FLAGS[rule.fix]}`" if rule.fix else ""
    yield f"**{_severity(rule)}**{how}: {rule.summary}."
    yield rule.why
    if is_essential(rule):
        yield "It cannot be ignored or switched off: no plan can be written over it."
    for title, folder in (("Bad", "bad"), ("Good", "good")):
        for name, text in _example(rule, folder).items():
            yield ""
            yield f"{title}, `{name}`:"
            yield ""
            yield f"````{_LANGUAGES.get(name.rpartition('.')[2], '')}"
            yield text.rstrip("\n")
            yield "````"


def _severity(rule: Rule) -> str:
    return "off" if rule.severity is None else rule.severity.value


def _explain(rule: Rule) -> Iterator[str]:
    yield f"{rule.id}: {_severity(rule)}" + (f", fixable with {_FIX_FLAGS[rule.fix]}" if rule.fix else "")
    yield ""
    yield from textwrap.wrap(f"What: {rule.summary}.", 100, subsequent_indent=" " * 6)
    yield from textwrap.wrap(f"Why:  {rule.why}", 100, subsequent_indent=" " * 6)
    for title, folder in (("Bad", "bad"), ("Good", "good")):
        for name, text in _example(rule, folder).items():
            yield ""
            yield f"{title}, {name}:"
            yield ""
            yield textwrap.indent(text.rstrip("\n"), "    ", lambda _: True)
    yield ""
    yield from _how_to_silence(rule)


def _how_to_silence(rule: Rule) -> Iterator[str]:
    if is_essential(rule):
        yield "It cannot be ignored or switched off: no plan can be written over it."
        return
    if rule.id != "unused_suppression":
        yield "Silence one finding, above it or at the end of its line (in YAML with #):"
        yield ""
        yield f"    // attractor: ignore[{rule.id}] reason"
        yield ""
    yield "Grade it for the whole project (off, info, warning, error), in pyproject.toml:"
    yield ""
    yield "    [tool.attractor.rules]"
    yield f'    {rule.id} = "off"'


def _example(rule: Rule, folder: str) -> Mapping[str, str]:
    """Return the files of the bad or the good example by name; none for rules that no file can provoke."""
    root = _EXAMPLES / rule.id / folder
    paths = sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else []
    return {path.relative_to(root).as_posix(): path.read_text("utf-8", "replace") for path in paths}


def _json(rules: tuple[Rule, ...]) -> str:
    return json.dumps({"version": 1, "rules": [_entry(rule) for rule in rules]}, indent=2) + "\n"


def _entry(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "severity": _severity(rule),
        "summary": rule.summary,
        "why": rule.why,
        "profiles": ["spec", "recommended", "strict"] if rule.spec else ["recommended", "strict"],
        "fix": rule.fix or None,
        "can_be_ignored": not is_essential(rule),
        "examples": {"bad": _example(rule, "bad"), "good": _example(rule, "good")},
    }
