"""Prompts that are Jinja2 templates: what is wrong with one, and what it reads, known before anything runs."""

import re
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from .diagnostics import Diagnostic
from .source import MappedText, Span
from .suggest import did_you_mean

if TYPE_CHECKING:
    from jinja2 import nodes

TEMPLATE_NAMES = ("goal", "inputs", "run", "node", "context", "previous")

_CODE = r"\{[{%](?>(?:[^{}%]|%(?!\}))*)[%}]\}"


class TemplateName(NamedTuple):
    """A name that a template reads from outside, with the attribute behind it: `inputs.seed`, `goal`."""

    name: str
    attribute: str  # "" when none is read, or the template can do without it: `is defined`, `default(..)`, `in`
    span: Span


def parse_template(text: MappedText) -> tuple[tuple[TemplateName, ...], list[Diagnostic]]:
    """Return the names that the Jinja2 template `text` reads, and what is wrong with it.

    Jinja2 tells lines only: a diagnostic points at the code on that line that is to blame, else at the line.
    """
    from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
    from jinja2.meta import find_undeclared_variables
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=StrictUndefined)
    try:
        tree = environment.parse(text.text)
        undeclared = find_undeclared_variables(tree)
    except TemplateSyntaxError as error:
        return (), [_syntax_error(text, error.lineno, error.message or "invalid template")]
    except RecursionError:
        return (), [_syntax_error(text, 1, "the template is nested too deeply")]
    optional = _optional(tree)
    parents = {
        id(outer.node): outer
        for outer in tree.find_all(nodes.Getattr)
        if isinstance(outer.node, nodes.Name) and (outer.node.name, outer.attr) not in optional
    }
    lines = text.text.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    names = tuple(
        _located(text, name, parents.get(id(name)), starts)
        for name in tree.find_all(nodes.Name)
        if name.name in undeclared
    )
    unknown = {name.name: name for name in reversed(names) if name.name not in TEMPLATE_NAMES}
    return names, [_unknown_name(name) for name in unknown.values()]


def _optional(tree: "nodes.Template") -> set[tuple[str, str]]:
    """Return the (name, attribute) pairs that the template asks about before, or without, needing them."""
    from jinja2 import nodes

    found = set()
    for asking in tree.find_all((nodes.Filter, nodes.Test)):
        inner = asking.node
        if asking.name not in {"default", "d", "defined", "undefined"} or not isinstance(inner, nodes.Getattr):
            continue
        if isinstance(inner.node, nodes.Name):
            found.add((inner.node.name, inner.attr))
    for comparison in tree.find_all(nodes.Compare):
        for operand in comparison.ops:
            held, key = operand.expr, comparison.expr
            if operand.op in {"in", "notin"} and isinstance(held, nodes.Name) and isinstance(key, nodes.Const):
                found.add((held.name, str(key.value)))
    return found


def _located(
    text: MappedText, name: "nodes.Name", outer: "nodes.Getattr | None", starts: Sequence[int]
) -> TemplateName:
    start, end = starts[name.lineno - 1], starts[name.lineno] - 1
    attribute = outer.attr if outer is not None else ""
    behind = rf"\s*+\.\s*+{re.escape(attribute)}" if attribute else ""
    word = re.compile(rf"(?<![\w.]){re.escape(name.name)}{behind}(?!\w)")
    for code in re.compile(_CODE).finditer(text.text, start, end):
        found = word.search(text.text, *code.span())
        if found is not None:
            return TemplateName(name.name, attribute, text.span(*found.span()))
    return TemplateName(name.name, attribute, text.span(start, end))


def _unknown_name(name: TemplateName) -> Diagnostic:
    hint = did_you_mean(name.name, TEMPLATE_NAMES) or f"known are {', '.join(TEMPLATE_NAMES)}"
    message = f"the template reads `{name.name}`, which nothing sets; {hint}"
    return Diagnostic("prompt_template_unknown", name.span, message, subject=name.name)


def _syntax_error(text: MappedText, number: int, message: str) -> Diagnostic:
    lines = text.text.split("\n")
    number = min(number, len(lines))
    start = sum(len(line) + 1 for line in lines[: number - 1])
    part = text.part(start, start + len(lines[number - 1])).stripped()
    codes = list(re.compile(_CODE).finditer(part.text))
    span = part.span(*codes[0].span()) if len(codes) == 1 else part.span()
    message = message.rstrip(".")
    what = f"the template cannot be read: {message[:1].lower()}{message[1:]}"
    return Diagnostic(
        "prompt_template_syntax",
        span,
        what,
        help="write text with {{ goal }}, {{ inputs.NAME }} and statements such as {% if .. %}, each closed",
    )
