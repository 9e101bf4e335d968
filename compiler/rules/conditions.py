"""Rules about what conditions mean: those that never hold, always hold, or hold together."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .. import flow
from ..condition import OUTCOMES
from ..diagnostics import Diagnostic, Edit, Fix, Related, Severity
from ..graph import Clause, Edge, Graph, Kind, Route
from ..passes.resolve_routes import normalise_label
from ..suggest import did_you_mean
from .conjunctions import LABEL, OUTCOME, Needs, contradiction, implies, needs_of, overlap, words_that_fit
from .edits import without_attribute, without_statement
from .facts import condition_span, domain_of, kind_of, listed
from .registry import Check, Project, Rule
from .told import Told

RULES: tuple[Rule, ...] = (
    Rule(
        "cond_unsatisfiable",
        Severity.ERROR,
        "a condition contradicts itself",
        "The edge can never be taken, whatever happens.",
    ),
    Rule(
        "cond_dead_for_source",
        Severity.WARNING,
        "a condition asks for an outcome, a label or a failure class that its node cannot end with",
        "The edge can never be taken: a tool node, say, ends with success or fail and with nothing else.",
    ),
    Rule(
        "cond_always_true",
        Severity.WARNING,
        "a condition holds for every outcome that its node can end with",
        "It looks like a decision and is none; what was meant was probably narrower.",
        fix="unsafe",
    ),
    Rule(
        "outcome_typo",
        Severity.ERROR,
        "a condition asks for a word that is nearly an outcome",
        "Outcomes may be words of one's own, so that a misspelt one is taken for such a word and never comes.",
        fix="unsafe",
    ),
    Rule(
        "edge_duplicate",
        Severity.WARNING,
        "two edges have the same ends, condition and label",
        "The second changes nothing; or it was meant to be different.",
        fix="safe",
    ),
    Rule(
        "edge_shadowed",
        Severity.WARNING,
        "an edge is never taken, because one of greater weight matches whenever it does",
        "Weight goes before everything else among edges whose conditions hold.",
    ),
    Rule(
        "routing_ambiguous",
        Severity.WARNING,
        "two conditional edges of one weight can match at once",
        "The target whose name sorts first wins. Renaming a stage would then change the route.",
    ),
    Rule(
        "unreachable_by_condition",
        Severity.WARNING,
        "every way to a node needs an edge that is never taken",
        "On the drawing the stage is connected, but no outcome leads to it.",
        whole=True,
    ),
)

FAILURE_CLASS = "context.failure_class"
FAILURE_CLASSES = ("transient_infra", "deterministic", "canceled", "budget_exhausted", "structural")
MOST_PAIRS = 4096  # of edges that are compared at one node


class Way(NamedTuple):
    """A conditional edge that can be taken, with what it asks."""

    route: Route
    needs: Needs


def check_conditions(project: Project) -> Iterator[Diagnostic]:
    """All rules of this file: node by node, and unreachable_by_condition, which needs the result of the others."""
    told = Told(project)
    dead: dict[int, Diagnostic] = {}  # order of an edge -> why it is never taken
    for node, routes in project.graph.routes.items():
        ways: list[Way] = []
        for route in routes:
            if route.kind != "if" or not route.edge.condition:
                continue
            why = _never(project, told, route.edge)
            needs = needs_of(route.edge.condition)
            if why is not None:
                dead[route.edge.order] = why
                yield why
            elif needs is not None:
                ways.append(Way(route, needs))
                yield from _always(project, route.edge, needs, routes)
        yield from _duplicates(project.graph, routes)
        for order, found in _pairs(project, node, ways):
            if order is not None:
                dead[order] = found
            yield found
    yield from _unreachable(project, dead)


# --- never


def _never(project: Project, told: Told, edge: Edge) -> Diagnostic | None:
    """Return why the condition of `edge` never holds: outcome_typo, cond_unsatisfiable or cond_dead_for_source."""
    for clause in edge.condition:
        if clause.key == OUTCOME and clause.op != "set" and (typo := _typo(told, edge, clause)) is not None:
            return typo
    conflict = contradiction(edge.condition)
    if conflict is not None:
        earlier, later = conflict
        return Diagnostic(
            "cond_unsatisfiable",
            later.span,
            f'"{later.span.text.strip()}" and "{earlier.span.text.strip()}" never hold together',
            subject=edge.name,
            related=(Related(earlier.span, "the other clause"),),
            help="for either of two values, write two edges",
        )
    return _dead(project, edge)


def _typo(told: Told, edge: Edge, clause: Clause) -> Diagnostic | None:
    meant = told.misspelt(edge.source, clause.literal)
    if not meant:
        return None
    return Diagnostic(
        "outcome_typo",
        clause.literal_span,
        f'"{clause.literal}" is no outcome that "{edge.source}" knows of; did you mean "{meant}"?',
        subject=edge.name,
        fix=Fix(f'write "{meant}"', (Edit(clause.literal_span, meant),), safe=False),
    )


def _dead(project: Project, edge: Edge) -> Diagnostic | None:
    graph, domain = project.graph, domain_of(project, edge.source)
    if not domain:
        return None  # nothing arrives there, which other rules report
    for clause in edge.condition:
        if clause.key == LABEL and clause.op == "=" and kind_of(graph, edge.source) is Kind.HUMAN:
            labels = [route.label or route.edge.target for route in graph.routes[edge.source]]
            if normalise_label(clause.literal) not in {normalise_label(label) for label in labels}:
                hint = did_you_mean(clause.literal, labels) or f"its options are {listed(labels, 'and')}"
                return _dead_clause(edge, clause, f'"{clause.literal}" is no option of "{edge.source}"; {hint}')
        if clause.key == FAILURE_CLASS and clause.op == "=" and clause.literal not in ("", *FAILURE_CLASSES):
            hint = did_you_mean(clause.literal, FAILURE_CLASSES) or f"there are {listed(FAILURE_CLASSES, 'and')}"
            return _dead_clause(edge, clause, f'"{clause.literal}" is no failure class; {hint}')
        if clause.key == OUTCOME and clause.op == "=" and clause.literal not in domain:
            return _outside(graph, edge, clause, domain)
    needs = needs_of(edge.condition)
    if needs is not None and not words_that_fit(needs, domain):
        clause = next(clause for clause in edge.condition if clause.key == OUTCOME)
        return _dead_clause(edge, clause, f'this never holds: "{edge.source}" ends with {_words(domain)} only')
    return None


def _outside(graph: Graph, edge: Edge, clause: Clause, domain: frozenset[str]) -> Diagnostic:
    hint = did_you_mean(clause.literal, domain)
    if kind_of(graph, edge.source) is not Kind.CONDITIONAL:
        hint = hint or f"it ends with {_words(domain)}"
        return _dead_clause(edge, clause, f'"{edge.source}" never ends with {clause.literal}; {hint}')
    found = _dead_clause(
        edge, clause, f'{clause.literal} never arrives at "{edge.source}"; {hint or f"only {_words(domain)} can"}'
    )
    if clause.literal != "fail":
        return found
    help_ = (
        "a failure follows an edge whose condition takes it, an edge beside conditional ones, or a stage's only edge"
    )
    return found._replace(help=help_)


def _dead_clause(edge: Edge, clause: Clause, message: str) -> Diagnostic:
    return Diagnostic("cond_dead_for_source", clause.literal_span, message, subject=edge.name)


def _words(domain: frozenset[str]) -> str:
    ordered = [word for word in OUTCOMES if word in domain] + sorted(domain - {*OUTCOMES})
    return listed(ordered).replace('"', "")


# --- always


def _always(project: Project, edge: Edge, needs: Needs, routes: Sequence[Route]) -> Iterator[Diagnostic]:
    domain = domain_of(project, edge.source)
    if not domain or needs.keys() != {OUTCOME} or words_that_fit(needs, domain) != domain:
        return
    edit = without_attribute(project.graph, edge, "condition")
    yield Diagnostic(
        "cond_always_true",
        condition_span(edge),
        f'this holds for every outcome of "{edge.source}" ({_words(domain)})',
        subject=edge.name,
        help="remove the condition, or say which outcome is meant" + (
            "; without a condition a failure would not follow the edge" if "fail" in domain and len(routes) == 1 else ""
        ),
        fix=Fix("remove the condition", (edit,), safe=False) if edit else None,
    )  # fmt: skip


# --- pairs


def _duplicates(graph: Graph, routes: Sequence[Route]) -> Iterator[Diagnostic]:
    first: dict[object, Edge] = {}
    for route in sorted(routes, key=lambda each: each.edge.order):
        edge = route.edge
        if edge.conditional and not edge.condition:
            continue
        clauses = frozenset(clause[:3] for clause in edge.condition)
        same = (edge.target, clauses, route.match, route.weight, route.restart, route.fidelity, route.thread)
        known = first.setdefault(same, edge)
        if known is not edge:
            edit = without_statement(graph, edge)
            yield Diagnostic(
                "edge_duplicate",
                edge.span,
                f'the same edge from "{edge.source}" to "{edge.target}" stands above; remove one, or tell them apart',
                subject=edge.name,
                related=(Related(known.span, "the first"),),
                fix=Fix("remove it", (edit,), safe=_is_idle(route, routes)) if edit else None,
            )


def _is_idle(duplicate: Route, routes: Sequence[Route]) -> bool:
    """Whether the run does the same without `duplicate`: a branch runs twice, and a failure looks at a lone edge."""
    return duplicate.kind == "if" or (duplicate.kind != "branch" and len(routes) > 2)


def _pairs(project: Project, node: str, ways: Sequence[Way]) -> Iterator[tuple[int | None, Diagnostic]]:
    """edge_shadowed, routing_ambiguous: each edge against those that are tried before it.

    Beside the finding stands the order of an edge that is therefore never taken.
    """
    domain, pairs = domain_of(project, node), 0
    for at, later in enumerate(ways):
        for earlier in ways[:at]:
            pairs += 1
            if pairs > MOST_PAIRS:
                message = f'"{node}" has too many conditional edges to compare each with each'
                place = project.graph.nodes[node].span
                yield None, Diagnostic("check_skipped", place, message, subject="routing_ambiguous")
                return
            found = _pair(earlier, later, domain)
            if found is not None:
                never = implies(later.needs, earlier.needs, domain)
                yield (later.route.edge.order if never else None), found
                break


def _pair(earlier: Way, later: Way, domain: frozenset[str]) -> Diagnostic | None:
    edge, winner = later.route.edge, earlier.route.edge
    never = implies(later.needs, earlier.needs, domain)
    place = (Related(condition_span(winner), f'the edge to "{winner.target}"'),)
    if earlier.route.weight > later.route.weight:
        if not never:
            return None
        return Diagnostic(
            "edge_shadowed",
            condition_span(edge),
            f'this edge is never taken: whenever it matches, so does the one to "{winner.target}", '
            f"whose weight is greater ({earlier.route.weight})",
            subject=edge.name,
            related=place,
            help="give this edge the greater weight, if it is the more specific one",
        )
    common = overlap(earlier.needs, later.needs, domain)
    if not common or edge.target == winner.target:
        return None
    wins = "matches too and wins" if never else "can match too and then wins"
    end = "; this one is never taken" if never else ""
    return Diagnostic(
        "routing_ambiguous",
        condition_span(edge),
        f'when outcome={min(common, key=_rank)} the edge to "{winner.target}" {wins}, as its target sorts first{end}',
        subject=edge.name,
        related=place,
        help="make the conditions exclude each other, or give the edge that shall win a greater weight",
    )


def _rank(word: str) -> tuple[int, str]:
    return (OUTCOMES.index(word) if word in OUTCOMES else len(OUTCOMES), word)


# --- reach


def _unreachable(project: Project, dead: Mapping[int, Diagnostic]) -> Iterator[Diagnostic]:
    """unreachable_by_condition: the first nodes behind edges that are never taken."""
    if not dead:
        return
    graph, analysis = project.graph, project.analysis
    ways = {
        node: [edge.target for edge in edges if edge.order not in dead] + list(graph.on_fail.get(node, ()))
        for node, edges in graph.outgoing.items()
    }
    live = flow.reachable(ways, analysis.starts)
    for node in graph.nodes.values():
        if node.id in live or node.id not in analysis.reachable_with_retries:
            continue
        cut = [edge for edge in graph.incoming[node.id] if edge.order in dead and edge.source in live]
        if cut:
            yield Diagnostic(
                "unreachable_by_condition",
                node.span,
                f'"{node.id}" is never reached: every way to it needs an edge that is never taken',
                subject=node.id,
                related=tuple(Related(dead[edge.order].span, dead[edge.order].message) for edge in cut[:3]),
                help="correct the condition of an edge that leads there, or drop the node",
            )


CHECKS: tuple[Check, ...] = (check_conditions,)
