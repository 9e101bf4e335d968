"""Rules about the model stylesheet and the graph that it is for."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ..attributes import specs
from ..comma_list import split_words
from ..diagnostics import Diagnostic, Severity
from ..graph import Graph, Level
from ..source import Span
from ..stylesheet import StyleRule, parse_stylesheet
from ..suggest import did_you_mean
from .facts import kind_of
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "style_unused_selector",
        Severity.WARNING,
        "a selector of the stylesheet matches no node",
        "The stages it was written for ask the model of a more general rule instead, and nobody notices.",
        whole=True,
    ),
    Rule(
        "style_overridden",
        Severity.INFO,
        "nothing that a stylesheet rule declares holds for any node",
        "More specific rules or the nodes themselves say otherwise everywhere: the rule only misleads its reader.",
        whole=True,
    ),
    Rule(
        "class_unstyled",
        Severity.INFO,
        "a node's class matches no selector of the stylesheet",
        "Classes exist for the stylesheet; one that it does not know is often a misspelt one.",
    ),
)


def style_rules(graph: Graph) -> Sequence[StyleRule]:
    """Return the rules of the graph's stylesheet that can be read, in order."""
    sheet = graph.attributes.get("model_stylesheet")
    return () if sheet is None or not sheet.text.strip() else parse_stylesheet(sheet.value)[0]


def check_selectors(project: Project) -> Iterator[Diagnostic]:
    """style_unused_selector, style_overridden."""
    graph = project.graph
    rules = style_rules(graph)
    if not rules:
        return
    named = _names(graph)
    holds = _spans_that_hold(graph)
    shapes = specs("node")["shape"].enum
    for rule in rules:
        if rule.kind == "shape" and rule.name not in shapes:
            continue  # style_unknown_shape
        if rule.kind != "*" and not named[rule.kind][rule.name]:
            hint = did_you_mean(rule.name, named[rule.kind])
            message = f'"{rule.selector}" matches no node' + (f"; {hint}" if hint else "")
            help_ = "" if hint else "give a node what it selects, or drop the rule"
            yield Diagnostic("style_unused_selector", rule.span, message, subject=rule.selector, help=help_)
        elif rule.declarations and not any(each.key_span in holds for each in rule.declarations):
            message = (
                f'all that "{rule.selector}" declares is overridden, by more specific rules or by nodes themselves'
            )
            help_ = "drop the rule, or the attributes that override it; an attribute of a node always wins"
            yield Diagnostic("style_overridden", rule.span, message, subject=rule.selector, help=help_)


def _names(graph: Graph) -> Mapping[str, Counter[str]]:
    """Return what selectors can match, by kind of selector, and how many nodes each name stands for."""
    classes = Counter(name for node in graph.nodes.values() for name in node.classes)
    shapes = Counter(
        shape.text.strip() if (shape := node.attributes.get("shape")) is not None else "box"
        for node in graph.nodes.values()
    )
    return {"class": classes, "shape": shapes, "id": Counter(graph.nodes)}


def _spans_that_hold(graph: Graph) -> set[Span]:
    """Return the keys of all declarations that decide for some node which has a use for them."""
    table = specs("node")
    holds: set[Span] = set()
    for id_, styled in graph.styled.items():
        own, kind = graph.nodes[id_].attributes, kind_of(graph, id_)
        for key, declared in styled.items():
            if kind in table[key].kinds and (key not in own or own[key].level is not Level.OWN):
                holds.add(declared.key_span)
    return holds


def check_classes(project: Project) -> Iterator[Diagnostic]:
    """class_unstyled: once per place; only where the stylesheet selects by class at all."""
    graph = project.graph
    styled = {rule.name for rule in style_rules(graph) if rule.kind == "class"}
    if not styled:
        return
    seen: set[Span] = set()
    for node in graph.nodes.values():
        attribute = node.attributes.get("class")
        if attribute is None or attribute.value_span in seen:
            continue
        seen.add(attribute.value_span)
        for word in split_words(attribute.value):
            if word.text not in styled and word.text in node.classes:
                hint = did_you_mean(word.text, styled)
                message = f'no selector of the stylesheet matches the class "{word.text}"' + (
                    f"; {hint}" if hint else ""
                )
                help_ = "" if hint else f"add a rule `.{word.text} {{..}}` to model_stylesheet, or drop the class"
                yield Diagnostic("class_unstyled", word.span(), message, subject=node.id, help=help_)


CHECKS: tuple[Check, ...] = (check_selectors, check_classes)
